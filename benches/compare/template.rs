//! A peer's configuration from the file beside this one: names between two @ are filled in, and a line that begins with
//! @TLS@ or @PLAIN@ is there only with or without TLS.

/// Fills in the text; what is not among the values is an error with its name.
pub(crate) fn fill(text: &str, tls: bool, values: &[(&str, &str)]) -> Result<String, String> {
    let (there, absent) = if tls { ("@TLS@", "@PLAIN@") } else { ("@PLAIN@", "@TLS@") };
    let mut filled = String::new();
    for line in text.lines() {
        let start = line.trim_start();
        // Comments go, so that they may speak of names.
        if start.starts_with(absent) || start.starts_with('#') {
            continue;
        }
        let mut line = line.replace(&format!("{there} "), "");
        for (name, value) in values {
            line = line.replace(&format!("@{name}@"), value);
        }
        if let Some(name) = unfilled(&line) {
            return Err(format!("@{name}@ has no value"));
        }
        filled.push_str(&line);
        filled.push('\n');
    }
    Ok(filled)
}

fn unfilled(line: &str) -> Option<&str> {
    let mut parts = line.split('@').skip(1);
    parts.find(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# of @NAME@\n  @PLAIN@ listen @PORT@;\n  @TLS@ listen @PORT@ ssl;\nuser you@example;\n";

    #[test]
    fn lines_are_there_with_or_without_tls() {
        assert_eq!(fill(TEXT, false, &[("PORT", "80")]), Ok("  listen 80;\nuser you@example;\n".to_owned()));
        assert_eq!(fill(TEXT, true, &[("PORT", "80")]), Ok("  listen 80 ssl;\nuser you@example;\n".to_owned()));
    }

    #[test]
    fn a_name_without_a_value_is_an_error() {
        assert_eq!(fill("x @DIR@/y", false, &[("PORT", "80")]), Err("@DIR@ has no value".to_owned()));
    }
}
