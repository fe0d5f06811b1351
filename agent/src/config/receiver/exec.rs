//! A receiver of kind `exec`: a program of the operator's.

use std::{fmt, fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use schemars::{Schema, json_schema};
use toml::de::DeValue;

use super::ReceiverTable;
use crate::config::{
    reader::{At, Reader, Toml},
    table::table,
    value::{Complaint, Text, Value},
};

/// A program and its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct Exec {
    /// The program's absolute path.
    pub program: PathBuf,
    /// Its arguments. They are not shown, as there may be a token among them.
    pub arguments: Vec<String>,
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exec({} and {} arguments)", self.program.display(), self.arguments.len())
    }
}

table! {
    /// A program.
    pub(in crate::config) struct ExecTable {
        /// The program and its arguments. No shell reads them. The program gets the JSON document on its standard
        /// input.
        optional command: Command,
    }
}

/// A program and its arguments, as they are written.
#[derive(Debug, Clone)]
pub(in crate::config) struct Command {
    program: At<PathBuf>,
    arguments: Vec<String>,
}

/// An argument: any text that a program can be given.
struct Argument(String);

impl Text for Argument {
    const WHAT: &'static str = "a text without a zero byte";
    const EXAMPLE: &'static str = "--urgent";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.contains('\0') {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(text.to_owned()))
    }
}

impl Value for Command {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let Some((program, arguments)) = value.get_ref().as_array().and_then(|list| list.split_first())
        else {
            let example = "for example [\"/usr/local/bin/notify\", \"--urgent\"]";
            match value.get_ref() {
                DeValue::Array(_) => reader.fault(value.span(), "there is no program").hint(example),
                _ => {
                    reader.conceal(value.span());
                    reader.wrong_type(value, "a list of texts: a program and its arguments").hint(example)
                }
            };
            return None;
        };
        for argument in arguments {
            reader.conceal(argument.span());
        }
        let path: Option<PathBuf> = reader.text(program);
        let arguments: Vec<Option<Argument>> =
            arguments.iter().map(|argument| reader.text(argument)).collect();
        let arguments: Option<Vec<Argument>> = arguments.into_iter().collect();
        Some(Self {
            program: At { value: path?, span: Some(program.span()) },
            arguments: arguments?.into_iter().map(|Argument(argument)| argument).collect(),
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "array", "items": { "type": "string" }, "minItems": 1 })
    }
}

impl Exec {
    pub(super) fn resolve(table: ReceiverTable, reader: &mut Reader<'_>) -> Option<Self> {
        let kind = table.kind.given()?;
        kind.needs("command", &table.exec.command, ["/usr/local/bin/notify"], reader);
        let Command { program, arguments } = table.exec.command.required()?;
        Some(Self { program: executable(&program, reader)?, arguments })
    }
}

/// The absolute path of a program that there is.
fn executable(program: &At<PathBuf>, reader: &mut Reader<'_>) -> Option<PathBuf> {
    let path = std::path::absolute(reader.base().join(&program.value)).ok()?;
    let shown = reader.shown_path(program);
    match fs::metadata(&path) {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => return Some(path),
        Ok(found) if !found.is_file() => {
            reader.fault(program.place(), format!("{shown} is no program, and no file at all"));
        }
        Ok(_) => {
            reader
                .fault(program.place(), format!("{shown} is no program"))
                .hint("make it executable: chmod +x");
        }
        Err(error) => {
            reader.fault(program.place(), format!("failed to find {shown}: {error}")).hint(
                "write the whole path: PATH is not searched, and a relative one starts at the directory of this file",
            );
        }
    }
    None
}
