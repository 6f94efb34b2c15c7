//! What `nginx -T` prints: every file that nginx reads, one after the other, each with a line before it that names it. The
//! first is the main one, and what it includes is among the others; no file of this machine is read for it.

use crate::convert::folder::{Content, is_pattern, matches};

/// The line before a file.
const MARK: &str = "# configuration file ";

/// The files.
#[derive(Debug)]
pub(super) struct Dump {
    files: Vec<Content>,
}

impl Dump {
    /// The files in a text, if it is such output. What nginx says before the first, on standard error, is left out.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut files: Vec<Content> = Vec::new();
        for line in text.split_inclusive('\n') {
            let name = line.trim_end().strip_prefix(MARK).and_then(|rest| rest.strip_suffix(':'));
            match (name.filter(|name| name.starts_with('/')), files.last_mut()) {
                (Some(name), _) => files.push((name.to_owned(), String::new())),
                (None, Some((_, content))) => content.push_str(line),
                // Only nginx itself has something to say before the first.
                (None, None) if line.trim().is_empty() || line.starts_with("nginx: ") => {}
                (None, None) => return None,
            }
        }
        (!files.is_empty()).then_some(Self { files })
    }

    /// The file with which it begins.
    pub(super) fn main(&self) -> Option<&Content> {
        self.files.first()
    }

    /// What an include stands for.
    ///
    /// # Errors
    /// When it is not there.
    pub(super) fn include(&self, pattern: &str) -> Result<Vec<Content>, String> {
        let folder = self.main().and_then(|(name, _)| name.rsplit_once('/')).map_or("", |(folder, _)| folder);
        let pattern = if pattern.starts_with('/') { pattern.to_owned() } else { format!("{folder}/{pattern}") };
        let is_meant = |(name, _): &&Content| {
            let (wanted, parts) = (pattern.split('/'), name.split('/'));
            wanted.clone().count() == parts.clone().count()
                && wanted.zip(parts).all(|(wanted, part)| matches(wanted.as_bytes(), part.as_bytes()))
        };
        let found: Vec<Content> = self.files.iter().filter(is_meant).cloned().collect();
        if found.is_empty() && !is_pattern(&pattern) {
            return Err("it is not in this output of nginx -T".to_owned());
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\n\
        nginx: configuration file /etc/nginx/nginx.conf test is successful\n\
        # configuration file /etc/nginx/nginx.conf:\nhttp { include sites-enabled/*; }\n\n\
        # configuration file /etc/nginx/sites-enabled/a:\na;\n# configuration file /etc/nginx/sites-enabled/b:\nb;\n";

    #[test]
    fn the_files_are_told_apart_and_found_as_nginx_finds_them() {
        let dump = Dump::read(OUTPUT).unwrap();
        assert_eq!(dump.main().unwrap().1, "http { include sites-enabled/*; }\n\n");
        let include = |pattern: &str| {
            dump.include(pattern).map(|files| files.into_iter().map(|(_, content)| content).collect::<String>())
        };
        assert_eq!(include("sites-enabled/*"), Ok("a;\nb;\n".to_owned()));
        assert_eq!(include("/etc/nginx/sites-enabled/b"), Ok("b;\n".to_owned()));
        assert_eq!(include("/etc/nginx/*"), Ok("http { include sites-enabled/*; }\n\n".to_owned()));
        assert_eq!(include("conf.d/*.conf"), Ok(String::new()));
        assert!(include("snippets/x.conf").is_err());
    }

    #[test]
    fn a_file_is_no_output() {
        assert!(Dump::read("server {}\n# configuration file /etc/nginx/x:\n").is_none());
        assert!(Dump::read("").is_none() && Dump::read("# configuration file x\n").is_none());
    }
}
