//! The files that are read: the one that was named, and what it includes from below its own folder.
//!
//! A file that somebody was sent, and converts to have a look, must not make this program read others of the machine:
//! an include is followed only to a regular file that really lies below (links are resolved first), and only so many, so
//! large and so deep.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::config::os_reason;

/// The largest file, in bytes.
const LARGEST: u64 = 1 << 20;
/// The most files together.
const MOST: usize = 200;
/// How many includes may follow from each other.
pub const DEEPEST: usize = 8;

/// A file's name, as it is shown, and its content.
pub type Content = (String, String);

/// Where the includes of a file are looked for.
#[derive(Debug)]
pub struct Folder {
    /// The folder as it was named, for names that are shown.
    shown: PathBuf,
    /// The folder itself, links resolved.
    real: PathBuf,
    read: usize,
}

impl Folder {
    /// Opens a file: its content, and the folder around it.
    ///
    /// # Errors
    /// Why the file cannot be read.
    pub fn open(file: &Path) -> Result<(Self, String), String> {
        let content = read(file)?;
        let parent = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let real = parent.canonicalize().map_err(|error| format!("its folder: {}", os_reason(&error)))?;
        Ok((Folder { shown: parent, real, read: 1 }, content))
    }

    /// The files that an include names, in the order of their names. A pattern may have `*`, `?` and `[…]`.
    ///
    /// # Errors
    /// Why the include is not followed. A pattern that nothing matches in a folder that is there is no error, as it is
    /// none for the servers.
    pub fn include(&mut self, pattern: &str) -> Result<Vec<Content>, String> {
        let below = self.below(pattern)?;
        let mut found = vec![PathBuf::new()];
        for part in below.split('/').filter(|part| !part.is_empty() && *part != ".") {
            found = found.iter().flat_map(|folder| self.step(folder, part)).collect();
            found.truncate(MOST + 1);
        }
        // The server may look from another folder than this one: only where the pattern's own folder is here is nothing
        // to be found in it an answer.
        let folder = below.rsplit_once('/').map_or("", |(folder, _)| folder);
        let is_here = !folder.is_empty() && !is_pattern(folder) && self.real.join(folder).is_dir();
        if found.is_empty() && !(is_pattern(&below) && is_here) {
            return Err("there is no such file below the folder of the file that was named".to_owned());
        }
        found.into_iter().map(|path| self.read_below(&path)).collect()
    }

    /// The pattern as one that begins in the folder.
    fn below(&self, pattern: &str) -> Result<String, String> {
        if pattern.split('/').any(|part| part == "..") {
            return Err("its path has .., and only what lies below the file's own folder is read".to_owned());
        }
        if !pattern.starts_with('/') {
            return Ok(pattern.to_owned());
        }
        [&self.real, &self.shown]
            .into_iter()
            .filter_map(|folder| folder.to_str())
            .filter(|folder| folder.starts_with('/'))
            .find_map(|folder| pattern.strip_prefix(folder.trim_end_matches('/'))?.strip_prefix('/'))
            .map(str::to_owned)
            .ok_or_else(|| "it lies elsewhere, and only what lies below the file's own folder is read".to_owned())
    }

    /// What one more part of the pattern matches below a folder that was reached.
    fn step(&self, folder: &Path, part: &str) -> Vec<PathBuf> {
        if !is_pattern(part) {
            let path = folder.join(part);
            return if self.real.join(&path).exists() { vec![path] } else { Vec::new() };
        }
        let Ok(entries) = fs::read_dir(self.real.join(folder)) else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        // A hidden name is matched by a pattern that begins with a dot, as in a shell.
        let mut names: Vec<String> = names
            .filter(|name| name.starts_with('.') == part.starts_with('.'))
            .filter(|name| matches(part.as_bytes(), name.as_bytes()))
            .take(MOST + 1)
            .collect();
        names.sort();
        names.into_iter().map(|name| folder.join(name)).collect()
    }

    fn read_below(&mut self, path: &Path) -> Result<Content, String> {
        if self.read >= MOST {
            return Err(format!("more than {MOST} files are not read"));
        }
        self.read += 1;
        let name = self.shown.join(path).display().to_string();
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        let real = self.real.join(path).canonicalize().map_err(|error| format!("{name}: {}", os_reason(&error)))?;
        if !real.starts_with(&self.real) {
            return Err(format!(
                "{name} is a link to elsewhere, and only what lies below the file's own folder is read"
            ));
        }
        let content = read(&real).map_err(|reason| format!("{name}: {reason}"))?;
        Ok((name, content))
    }
}

/// A whole regular file as text; what is no UTF-8 in it is replaced.
fn read(path: &Path) -> Result<String, String> {
    let reason = |error: io::Error| os_reason(&error);
    // Before it is opened: a pipe without a writer would be waited for without end.
    if !fs::metadata(path).map_err(reason)?.is_file() {
        return Err("is no regular file".to_owned());
    }
    let mut content = Vec::new();
    fs::File::open(path).map_err(reason)?.take(LARGEST + 1).read_to_end(&mut content).map_err(reason)?;
    if content.len() as u64 > LARGEST {
        return Err("is over 1 MiB, and no such file is that large".to_owned());
    }
    Ok(String::from_utf8_lossy(&content).into_owned())
}

pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a name matches a pattern of one part (glob(7)). Time is bounded by the product of both lengths.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // The last star and what it has been taken to stand for; only that one need be tried again.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = name.get(n) {
        match one(pattern.get(p..).unwrap_or_default(), byte) {
            One::Star => {
                star = Some((p + 1, n));
                p += 1;
            }
            One::Taken(length) => {
                p += length;
                n += 1;
            }
            One::No => match &mut star {
                Some((after, taken)) => {
                    *taken += 1;
                    (p, n) = (*after, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

enum One {
    Star,
    /// The byte matches that much of the pattern.
    Taken(usize),
    No,
}

fn one(pattern: &[u8], byte: u8) -> One {
    match pattern {
        [] => One::No,
        [b'*', ..] => One::Star,
        [b'?', ..] => One::Taken(1),
        [b'[', rest @ ..] => {
            let (is_not, set) = match rest {
                [b'!' | b'^', set @ ..] => (true, set),
                set => (false, set),
            };
            // A bracket that comes first is one of the set.
            let Some(end) = set.iter().skip(1).position(|byte| *byte == b']').map(|end| end + 1) else {
                return if byte == b'[' { One::Taken(1) } else { One::No };
            };
            let members = set.get(..end).unwrap_or_default();
            let is_in = members.contains(&byte)
                || members.windows(3).any(|range| matches!(range, [from, b'-', to] if (*from..=*to).contains(&byte)));
            if is_in == is_not { One::No } else { One::Taken(rest.len() - set.len() + end + 2) }
        }
        [same, ..] => {
            if *same == byte {
                One::Taken(1)
            } else {
                One::No
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name) in [
            ("*", "x"),
            ("*.conf", "a.conf"),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[!a]x", "bx"),
            ("*a*b", "xaayb"),
            ("[]]", "]"),
        ] {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.conf", "a.conf~"), ("a?c", "ac"), ("[a-c]x", "dx"), ("[!a]x", "ax"), ("", "x"), ("[", "x")]
        {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }

    #[test]
    fn only_regular_files_below_the_folder_are_included() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret.conf"), "secret").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("conf.d")).unwrap();
        for name in ["main.conf", "conf.d/b.conf", "conf.d/a.conf", "conf.d/.hidden.conf"] {
            fs::write(path(name), name).unwrap();
        }
        std::os::unix::fs::symlink(outside.path().join("secret.conf"), path("link.conf")).unwrap();
        std::os::unix::fs::symlink(outside.path(), path("linked")).unwrap();
        std::os::unix::fs::symlink("a.conf", path("conf.d/c.conf")).unwrap();
        let (mut folder, content) = Folder::open(&path("main.conf")).unwrap();
        assert_eq!(content, "main.conf");
        let mut include = |pattern: &str| {
            folder.include(pattern).map(|files| files.into_iter().map(|(_, content)| content).collect::<Vec<_>>())
        };
        let all = Ok(vec!["conf.d/a.conf".to_owned(), "conf.d/b.conf".to_owned(), "conf.d/a.conf".to_owned()]);
        assert_eq!(include("conf.d/*.conf"), all);
        assert_eq!(include(&format!("{}/conf.d/*", dir.path().display())), all);
        assert_eq!(include("conf.d/none.*"), Ok(Vec::new()));
        assert!(include("snippets/*.conf").is_err() && include("none*").is_err(), "they may be elsewhere");
        let elsewhere = outside.path().join("secret.conf");
        for pattern in [
            "link.conf",
            "linked/secret.conf",
            "linked/*",
            "../x",
            "conf.d/../../x",
            "/etc/passwd",
            "none.conf",
            "conf.d",
        ]
        .into_iter()
        .chain(elsewhere.to_str())
        {
            assert!(include(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn as_many_files_are_read_as_there_may_be() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..=MOST {
            fs::write(dir.path().join(format!("{number}.conf")), "").unwrap();
        }
        let (mut folder, _) = Folder::open(&dir.path().join("0.conf")).unwrap();
        assert!(folder.include("*").is_err_and(|reason| reason.contains("200")));
        let large = dir.path().join("large");
        fs::write(&large, vec![b'x'; (1 << 20) + 1]).unwrap();
        assert!(Folder::open(&large).is_err_and(|reason| reason.contains("1 MiB")));
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_and_a_star(name in "[a-z.]{0,12}", pattern: Vec<u8>, bytes: Vec<u8>) {
            prop_assert!(matches(name.as_bytes(), name.as_bytes()) && matches(b"*", name.as_bytes()));
            let _ = matches(&pattern, &bytes);
        }
    }
}
