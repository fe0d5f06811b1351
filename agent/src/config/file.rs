//! Files that the configuration names: certificates, keys, passwords. They are read once, when the
//! configuration is; their content is never shown.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    reader::{At, Reader},
    secret::Secret,
};

/// Larger files are refused. The certificates of all public authorities together take a quarter of it.
const LARGEST: u64 = 1 << 20;

/// The longest password or token.
const LONGEST_SECRET: usize = 4096;

impl Reader<'_> {
    /// The content of the file at `path`, taken from the directory of the configuration.
    pub(super) fn content(&mut self, path: &At<PathBuf>) -> Option<Arc<[u8]>> {
        let full = self.base().join(&path.value);
        if let Some(content) = self.contents.get(&full) {
            return Some(Arc::clone(content));
        }
        match read(&full) {
            Ok(content) => {
                let content: Arc<[u8]> = content.into();
                self.contents.insert(full, Arc::clone(&content));
                Some(content)
            }
            Err(error) => {
                let relative = path.value.is_relative();
                let message = format!("failed to read {}: {error}", self.shown_path(path));
                let draft = self.fault(path.place(), message);
                if relative && error.kind() == io::ErrorKind::NotFound {
                    draft.hint("a relative path starts at the directory of this file");
                } else if error.kind() == io::ErrorKind::PermissionDenied {
                    draft.hint("let the user that vipwatch runs as read it");
                }
                None
            }
        }
    }

    /// The password or token in the file at `path`: its only line.
    pub(super) fn secret(&mut self, path: &At<PathBuf>) -> Option<Secret> {
        let content = self.content(path)?;
        let text = std::str::from_utf8(&content).ok().map(|text| text.trim_end_matches(['\r', '\n']));
        let fits = |text: &&str| {
            !text.is_empty() && text.len() <= LONGEST_SECRET && !text.chars().any(char::is_control)
        };
        let secret = text.filter(fits).map(|text| Secret::from(text.to_owned()));
        if secret.is_none() {
            let message = format!("{} does not hold one line of text", self.shown_path(path));
            self.fault(path.place(), message)
                .hint("put the secret alone into the file; a line break at its end does not count");
        }
        secret
    }

    /// What may be said of a path in words. From the environment anything might have come, even a password.
    pub(super) fn shown_path(&self, path: &At<PathBuf>) -> String {
        if self.is_interpolated(&path.place()) {
            "the file".to_owned()
        } else {
            path.value.display().to_string()
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe or a device might never end, or never begin.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut content = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {LARGEST} bytes")));
    }
    Ok(content)
}
