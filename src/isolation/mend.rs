//! The commands that mend a finding, for the way in which this machine runs the catcher.

use super::engine::Container;
use super::owner::{Process, RunBy};

/// What closes the ports without touching the catcher.
pub const FIREWALL: &str = "mailwarden firewall print --backend nftables | sudo nft -f -";

/// The same with another mail port than the usual one.
#[must_use]
pub fn firewall_with(smtp: u16) -> String {
    format!(
        "mailwarden firewall print --backend nftables --smtp-port {smtp} | sudo nft -f -    # one port besides the web one"
    )
}

/// Has the process listen on loopback only.
#[must_use]
pub fn bind_to_loopback(process: Option<&Process>) -> Vec<String> {
    let Some(process) = process else {
        return vec![
            "sudo mailwarden doctor    # as root it also says which process that is, and how to tell it".to_owned(),
        ];
    };
    let argv = with_options(process, &[("--ip", Some("127.0.0.1"))], &["--http-ip", "--smtp-ip"]);
    run_as(process, argv, "listen on 127.0.0.1 only")
}

/// Has `MailCatcher` not be ended by a request.
#[must_use]
pub fn no_quit(process: &Process) -> Vec<String> {
    run_as(process, with_options(process, &[("--no-quit", None)], &[]), "run with --no-quit")
}

/// Has the process run by another command line. `what` is said where that one is not known.
fn run_as(process: &Process, argv: Option<Vec<String>>, what: &str) -> Vec<String> {
    let pid = process.pid;
    match (&process.run_by, argv) {
        (RunBy::Container { id }, _) => {
            let id = id.get(..12).unwrap_or(id);
            vec![format!("docker inspect {id}    # process {pid} is in this container: let it {what}")]
        }
        (RunBy::Unit { name, user }, Some(argv)) => {
            let (sudo, flag, dir) = match user {
                true => ("", " --user", "~/.config/systemd/user"),
                false => ("sudo ", "", "/etc/systemd/system"),
            };
            // systemd takes % for a mark of its own, and $ for a variable.
            let line = command_line(&argv).replace('%', "%%").replace('$', "$$");
            vec![
                format!("{sudo}mkdir -p {dir}/{name}.d"),
                format!(
                    "printf '%s\\n' '[Service]' 'ExecStart=' {} | {sudo}tee {dir}/{name}.d/mailwarden.conf",
                    word(&format!("ExecStart={line}"))
                ),
                format!("{sudo}systemctl{flag} daemon-reload && {sudo}systemctl{flag} restart {name}"),
            ]
        }
        (RunBy::Unit { name, user }, None) => {
            let systemctl = if *user { "systemctl --user" } else { "sudo systemctl" };
            vec![format!("{systemctl} edit {name}    # let {} {what}", word(process.name()))]
        }
        (RunBy::Hand, Some(argv)) => vec![format!("kill {pid} && {}", command_line(&argv))],
        (RunBy::Hand, None) => vec![format!("kill {pid}    # and start {} again: let it {what}", word(process.name()))],
    }
}

/// The command line with these options, and without `dropped` ones; none for a program whose options are not known.
fn with_options(process: &Process, options: &[(&str, Option<&str>)], dropped: &[&str]) -> Option<Vec<String>> {
    if !process.is_mailcatcher() {
        return None;
    }
    let goes =
        |word: &str| options.iter().map(|(name, _)| *name).chain(dropped.iter().copied()).any(|name| name == word);
    let mut argv = Vec::new();
    let mut words = process.argv.iter();
    while let Some(word) = words.next() {
        if !goes(word.split('=').next().unwrap_or_default()) {
            argv.push(word.clone());
        } else if !word.contains('=') && options.iter().all(|(name, value)| name != word || value.is_some()) {
            words.next();
        }
    }
    for (name, value) in options {
        argv.push((*name).to_owned());
        argv.extend(value.map(str::to_owned));
    }
    Some(argv)
}

/// Has a container's ports not be published. `is_closed` is whether rules of ours would close the port that people use.
#[must_use]
pub fn unpublish(container: Option<&Container>, is_closed: bool) -> Vec<String> {
    let rules = "mailwarden firewall print --backend docker-user | sudo sh    # or leave them, and close them";
    let rules = is_closed.then(|| rules.to_owned());
    let Some(container) = container else {
        let publish = "docker rm --force CONTAINER && docker run --detach --name CONTAINER --publish 127.0.0.1:1080:1080 \
            --publish 127.0.0.1:1025:1025 IMAGE    # CONTAINER and IMAGE are for you to fill in: `docker ps` has them";
        return std::iter::once(publish.to_owned()).chain(rules).collect();
    };
    let mut lines = match &container.compose {
        Some((service, file)) => vec![
            format!("sudoedit {}    # remove `ports:` of the service {}", word(file), word(service)),
            format!("docker compose --file {} up --detach {}", word(file), word(service)),
        ],
        None => vec![format!(
            "docker rm --force {0} && docker run --detach --name {0} --publish 127.0.0.1:1080:1080 --publish 127.0.0.1:1025:1025 {1}",
            word(&container.name),
            word(&container.image)
        )],
    };
    lines.extend(rules);
    lines
}

/// A command line for a shell.
fn command_line(argv: &[String]) -> String {
    argv.iter().map(|text| word(text)).collect::<Vec<_>>().join(" ")
}

/// One word for a shell. What could move a terminal's cursor is replaced.
#[must_use]
pub fn word(text: &str) -> String {
    let text: String =
        text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect();
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=@,+".contains(character);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(run_by: RunBy, line: &str) -> Process {
        Process { pid: 42, argv: line.split(' ').map(str::to_owned).collect(), run_by }
    }

    #[test]
    fn the_command_is_the_one_for_how_it_is_run() {
        let line = "ruby /usr/bin/mailcatcher --ip 0.0.0.0 --http-port=1080 --smtp-ip=10.0.0.1 -f";
        let mended = "ruby /usr/bin/mailcatcher --http-port=1080 -f --ip 127.0.0.1";
        assert_eq!(bind_to_loopback(Some(&process(RunBy::Hand, line))), [format!("kill 42 && {mended}")]);
        let unit = RunBy::Unit { name: "mc.service".to_owned(), user: false };
        let commands = bind_to_loopback(Some(&process(unit, line)));
        assert_eq!(
            commands[1],
            format!(
                "printf '%s\\n' '[Service]' 'ExecStart=' 'ExecStart={mended}' | sudo tee /etc/systemd/system/mc.service.d/mailwarden.conf"
            )
        );
        assert!(commands[2].ends_with("systemctl restart mc.service"), "{commands:?}");
        assert_eq!(
            bind_to_loopback(Some(&process(RunBy::Hand, "/usr/bin/mailpit"))),
            ["kill 42    # and start mailpit again: let it listen on 127.0.0.1 only"]
        );
        assert_eq!(
            no_quit(&process(RunBy::Hand, "mailcatcher --ip 1.2.3.4")),
            ["kill 42 && mailcatcher --ip 1.2.3.4 --no-quit"]
        );
        assert!(bind_to_loopback(None)[0].starts_with("sudo mailwarden doctor"));
    }

    #[test]
    fn a_containers_ports_are_taken_out_of_its_compose_file() {
        let compose = Some(("mail".to_owned(), "/srv/my dev/compose.yaml".to_owned()));
        let container = Container { name: "dev".to_owned(), image: "x".to_owned(), compose, ..Container::default() };
        assert_eq!(
            unpublish(Some(&container), true)[1],
            "docker compose --file '/srv/my dev/compose.yaml' up --detach mail"
        );
    }

    #[test]
    fn no_name_becomes_a_command() {
        assert_eq!(word("a; rm -rf /"), "'a; rm -rf /'");
        assert_eq!(word("it's\u{1b}[2J"), "'it'\\''s\u{fffd}[2J'");
        assert_eq!(word(""), "''");
    }
}
