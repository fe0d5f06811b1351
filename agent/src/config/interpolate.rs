//! `${NAME}` and `${NAME:-default}` in strings.

use super::value::Complaint;

/// A reference that cannot be replaced.
pub(super) struct Unresolved {
    /// The reference as it is written.
    pub(super) piece: String,
    pub(super) complaint: Complaint,
}

/// Replaces references to the environment; `$${` stands for a plain `${`.
///
/// As in a shell, `:-` gives the text for a variable that is unset or empty.
pub(super) fn interpolate(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Vec<Unresolved>> {
    let mut result = String::with_capacity(text.len());
    let mut unresolved = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        if let Some(escaped) = before.strip_suffix('$') {
            result.push_str(escaped);
            result.push_str("${");
            rest = &reference[2..];
            continue;
        }
        result.push_str(before);
        let Some(end) = reference.find('}') else {
            let complaint = Complaint::new("this reference has no closing brace");
            let complaint = complaint.hint("write ${NAME}, or $${ for a plain ${");
            unresolved.push(Unresolved { piece: reference.to_owned(), complaint });
            return Err(unresolved);
        };
        match lookup(&reference[2..end], env) {
            Ok(value) => result.push_str(&value),
            Err(complaint) => {
                unresolved.push(Unresolved { piece: reference[..=end].to_owned(), complaint });
            }
        }
        rest = &reference[end + 1..];
    }
    result.push_str(rest);
    if unresolved.is_empty() { Ok(result) } else { Err(unresolved) }
}

/// What the references in `text` stand for, as far as they stand for anything.
pub(super) fn values(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let references = text.split("${").skip(1).filter_map(|after| after.split_once('}'));
    references.filter_map(|(inside, _)| lookup(inside, env).ok()).collect()
}

fn lookup(inside: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Complaint> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let mut bytes = name.bytes();
    let starts_well = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !starts_well || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(Complaint::new("this is no name of an environment variable")
            .hint("write ${NAME} or ${NAME:-default}, or $${ for a plain ${"));
    }
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Complaint::new(format!("the environment variable {name} is not set"))
            .hint(format!("set it, or give a default: ${{{name}:-...}}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("example.net".into()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${HOST}".into()),
            _ => None,
        }
    }

    #[test]
    fn references_are_replaced() {
        for (text, expected) in [
            ("plain $ text", "plain $ text"),
            ("https://${HOST}/x", "https://example.net/x"),
            ("${HOST}${HOST}", "example.netexample.net"),
            ("${NONE:-fallback}", "fallback"),
            ("${NONE:-}", ""),
            ("${EMPTY:-fallback}", "fallback"),
            ("${EMPTY}", ""),
            ("$${HOST}", "${HOST}"),
            ("a$${b} ${HOST}", "a${b} example.net"),
            ("${NESTED}", "${HOST}"),
        ] {
            let result = interpolate(text, &env).map_err(|errors| errors.len());
            assert_eq!(result.as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_came_from_the_environment_is_known() {
        assert_eq!(values("${HOST}/${NONE:-x}/${NONE}/$${HOST", &env), ["example.net", "x"]);
        assert_eq!(values("plain", &env), [""; 0]);
    }

    #[test]
    fn every_broken_reference_is_reported() {
        for (text, pieces) in [
            ("${A} ${HOST} ${B}", vec!["${A}", "${B}"]),
            ("${A} ${HOST", vec!["${A}", "${HOST"]),
            ("${1A}", vec!["${1A}"]),
            ("${}", vec!["${}"]),
        ] {
            let errors = interpolate(text, &env).err().unwrap();
            assert_eq!(errors.iter().map(|error| error.piece.as_str()).collect::<Vec<_>>(), pieces);
        }
    }
}
