//! Which process holds a socket, and how that process is run.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

/// How a process is run, and so how it is told to listen elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunBy {
    /// By a command line that somebody typed, or a script.
    Hand,
    /// By systemd, as this unit.
    Unit {
        /// `mailcatcher.service`.
        name: String,
        /// Whether it is a user's own.
        user: bool,
    },
    /// In a container.
    Container {
        /// The engine's number of it.
        id: String,
    },
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its command line.
    pub argv: Vec<String>,
    /// How it is run.
    pub run_by: RunBy,
}

impl Process {
    /// The program, or the script that an interpreter runs.
    #[must_use]
    pub fn name(&self) -> &str {
        let is_interpreter =
            |name: &str| ["ruby", "python", "node", "perl"].iter().any(|known| name.starts_with(known));
        // A word with a space is a program text of `-c` or `-e`.
        let words = self.argv.iter().filter(|word| !word.starts_with('-') && !word.contains([' ', '\u{fffd}']));
        let mut names = words.map(|word| base(word));
        match names.next() {
            Some(first) if is_interpreter(first) => names.next().unwrap_or(first),
            first => first.unwrap_or("?"),
        }
    }

    /// Whether it is MailCatcher by its command line.
    #[must_use]
    pub fn is_mailcatcher(&self) -> bool {
        self.name() == "mailcatcher"
    }

    /// Whether it is a container engine's, and hands a port of the machine on.
    #[must_use]
    pub fn is_engine(&self) -> bool {
        let name = self.name();
        ["docker-proxy", "dockerd", "rootlessport", "rootlesskit", "conmon", "pasta", "slirp4netns", "gvproxy"]
            .iter()
            .any(|known| name == *known || name.strip_prefix(known).is_some_and(|rest| rest.starts_with(['.', '-'])))
    }

    /// The value of an option of the command line, as `--name value` or `--name=value`.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.argv.iter().enumerate().find_map(|(index, word)| match word.split_once('=') {
            Some((before, value)) if before == name => Some(value),
            _ if word == name => self.argv.get(index + 1).map(String::as_str),
            _ => None,
        })
    }

    /// Reads what `/proc` says of a process; none if it is gone.
    #[must_use]
    pub fn read(proc: &Path, pid: u32) -> Option<Self> {
        let dir = proc.join(pid.to_string());
        let argv = command_line(&fs::read(dir.join("cmdline")).ok()?);
        let cgroup = fs::read_to_string(dir.join("cgroup")).unwrap_or_default();
        Some(Self { pid, argv, run_by: run_by(&cgroup) })
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The words of `/proc/PID/cmdline`. What is no UTF-8 or could move a terminal's cursor is replaced.
#[must_use]
pub fn command_line(bytes: &[u8]) -> Vec<String> {
    let word = |word: &[u8]| {
        String::from_utf8_lossy(word)
            .chars()
            .map(|character| if character.is_control() { '\u{fffd}' } else { character })
            .collect()
    };
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() { Vec::new() } else { bytes.split(|byte| *byte == 0).map(word).collect() }
}

/// How a process is run, by its `/proc/PID/cgroup` (cgroups(7)): the path of its control group has the names.
#[must_use]
pub fn run_by(cgroup: &str) -> RunBy {
    let paths = || cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    for segment in paths().flat_map(|path| path.rsplit('/')) {
        let id = segment.strip_suffix(".scope").unwrap_or(segment);
        let id = ["docker-", "libpod-", "cri-containerd-"].iter().find_map(|mark| id.strip_prefix(mark)).unwrap_or(id);
        if id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return RunBy::Container { id: id.to_owned() };
        }
    }
    for path in paths() {
        if let Some(name) = path.rsplit('/').find(|segment| segment.ends_with(".service"))
            && !name.starts_with("user@")
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@:\\".contains(&byte))
        {
            return RunBy::Unit { name: name.to_owned(), user: path.contains("/user@") };
        }
    }
    RunBy::Hand
}

/// Every process that can be seen.
pub fn processes(proc: &Path) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Who holds these sockets, as far as descriptors can be seen: one's own, or with root everybody's.
#[must_use]
pub fn holders(proc: &Path, sockets: &HashSet<u64>) -> HashMap<u64, Process> {
    let mut found = HashMap::new();
    if sockets.is_empty() {
        return found;
    }
    for pid in processes(proc) {
        let descriptors = fs::read_dir(proc.join(pid.to_string()).join("fd")).into_iter().flatten().flatten();
        for inode in descriptors.filter_map(|entry| socket(fs::read_link(entry.path()).ok()?.to_str()?)) {
            if sockets.contains(&inode)
                && !found.contains_key(&inode)
                && let Some(process) = Process::read(proc, pid)
            {
                found.insert(inode, process);
            }
        }
        if found.len() == sockets.len() {
            break;
        }
    }
    found
}

/// The number in `socket:[123]`.
fn socket(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn how_a_process_is_run_is_read_off_its_group() {
        let id = "0123456789abcdef".repeat(4);
        let unit = |name: &str, user| RunBy::Unit { name: name.to_owned(), user };
        for (cgroup, expected) in [
            ("0::/system.slice/mailcatcher.service\n".to_owned(), unit("mailcatcher.service", false)),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/mc.service\n".to_owned(),
                unit("mc.service", true),
            ),
            ("0::/user.slice/user-1000.slice/session-2.scope\n".to_owned(), RunBy::Hand),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n".to_owned(), RunBy::Hand),
            (format!("0::/system.slice/docker-{id}.scope\n"), RunBy::Container { id: id.clone() }),
            (format!("12:pids:/docker/{id}\n0::/\n"), RunBy::Container { id: id.clone() }),
            (format!("0::/machine.slice/libpod-{id}.scope/container\n"), RunBy::Container { id }),
            ("0::/\n".to_owned(), RunBy::Hand),
            (String::new(), RunBy::Hand),
        ] {
            assert_eq!(run_by(&cgroup), expected, "{cgroup}");
        }
    }

    #[test]
    fn a_script_has_its_own_name() {
        for (argv, expected) in [
            (&["ruby", "/usr/bin/mailcatcher", "--ip", "0.0.0.0"][..], "mailcatcher"),
            (&["/usr/bin/ruby3.1", "-W0", "/usr/local/bin/mailcatcher"], "mailcatcher"),
            (&["/usr/local/bin/mailpit"], "mailpit"),
            (&["python3", "-c", "import socket; x"], "python3"),
            (&[], "?"),
        ] {
            let argv = argv.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(Process { pid: 1, argv, run_by: RunBy::Hand }.name(), expected);
        }
    }

    #[test]
    fn processes_of_engines_are_told_by_their_names() {
        let is_engine = |name: &str| Process { pid: 1, argv: vec![name.to_owned()], run_by: RunBy::Hand }.is_engine();
        assert!(["rootlessport", "/usr/bin/pasta.avx2", "/usr/bin/docker-proxy"].into_iter().all(is_engine));
        assert!(!["pastala", "mailpit", "nginx"].into_iter().any(is_engine));
    }

    #[test]
    fn the_holder_of_a_socket_of_ours_is_found() {
        use std::os::fd::AsRawFd as _;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        let inode = socket(link.to_str().unwrap()).unwrap();
        let found = holders(Path::new("/proc"), &HashSet::from([inode]));
        // A test that forks at this moment may hold it, too.
        assert_eq!(found.len(), 1);
        assert!(holders(Path::new("/proc"), &HashSet::from([0])).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_in_proc_panics(text: String, bytes: Vec<u8>) {
            let _ = (run_by(&text), command_line(&bytes), socket(&text));
        }
    }
}
