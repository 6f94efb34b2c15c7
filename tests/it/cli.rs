//! The command line from outside: exit codes, and what goes to which stream.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The command with no environment but its own.
fn mailwarden(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailwarden"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    mailwarden(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A directory with a configuration of this text; the second is the file's path.
fn config(content: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mailwarden.toml");
    std::fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn check_of_the_example_says_what_it_does() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/mailwarden.toml");
    let output = run(&["check", "--config", example.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("Forwards to       http://127.0.0.1:1080, catcher mailcatcher\n"));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_bad_configuration_is_78_with_every_error_on_standard_error() {
    let (_dir, path) = config("workers = 0\n[tls]\ncert = \"x\"\n");
    let expected = format!(
        "{path}:1: workers: 0 is out of range; it goes from 1 to 1024\n\
         {path}:3: tls.cert: unknown key; did you mean tls.cert_file?\n"
    );
    for command in ["check", "serve"] {
        let output = run(&[command, "--config", &path]);
        assert_eq!(output.status.code(), Some(78));
        assert_eq!(text(&output.stderr), expected);
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn as_json_everything_is_on_standard_output() {
    let (_dir, path) = config("workers = 0\n");
    let output = run(&["check", "--config", &path, "--format", "json"]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(text(&output.stderr), "");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&found["ok"], &found["errors"][0]["line"]), (&false.into(), &1.into()));
}

#[test]
fn the_environment_is_read_and_its_mistakes_are_78() {
    let (_dir, path) = config("");
    let output = mailwarden(&["check", "--config", &path])
        .env("MAILWARDEN_UPSTREAM__URL", "http://mail.test:1081")
        .output()
        .unwrap();
    assert!(text(&output.stdout).contains("Forwards to       http://mail.test:1081, "));
    let output = mailwarden(&["check", "--config", &path]).env("MAILWARDEN_UPSTREAM_URL", "x").output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(
        text(&output.stderr),
        "environment MAILWARDEN_UPSTREAM_URL: unknown variable; did you mean MAILWARDEN_UPSTREAM__URL?\n"
    );
}

#[test]
fn a_flag_of_serve_is_named_when_it_is_wrong() {
    let (_dir, path) = config("");
    let output = run(&["serve", "--config", &path, "--upstream", "https://mail.test"]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(
        text(&output.stderr),
        "--upstream: \"https://mail.test\" is https, which is not spoken to the catcher; \
         write http:// and keep the way to it private\n"
    );
}

#[test]
fn wrong_usage_is_2_and_help_is_none() {
    assert_eq!(run(&["serve", "--nonsense"]).status.code(), Some(2));
    assert_eq!(run(&[]).status.code(), Some(2));
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("Exit codes:"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (_dir, path) = config("");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = mailwarden(&["check", "--config", &path]).stdout(writer).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    let (_dir, path) = config("");
    let full = std::fs::File::create("/dev/full").unwrap();
    let output = mailwarden(&["check", "--config", &path]).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "standard output: No space left on device\n");
}

#[test]
fn a_quiet_check_says_what_is_wrong_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let users = dir.path().join("htpasswd");
    std::fs::write(&users, "anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    let users = users.to_str().unwrap();
    let (_dir, path) = config(&format!("auth.users_file = {users:?}\n"));
    let output = run(&["check", "--quiet", "--config", &path]);
    let weak = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), ""));
    assert!(weak.lines().all(|line| line.starts_with("warning: ")), "{weak}");
    assert!(weak.contains("htpasswd:1: weak: user anna: ") && !weak.contains("cannot log in"), "{weak}");
    std::fs::write(users, "anna:{SHA}short\nben:*\n").unwrap();
    let output = run(&["check", "--quiet", "--config", &path]);
    let refused = text(&output.stderr);
    assert!(
        refused.contains(":1: cannot log in: user anna: ") && refused.contains(":2: cannot log in: user ben: "),
        "{refused}"
    );
    let (_dir, path) = config("workers = 0\n");
    let output = run(&["check", "--quiet", "--config", &path]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(78), ""));
    assert_eq!(text(&output.stderr), format!("{path}:1: workers: 0 is out of range; it goes from 1 to 1024\n"));
    assert_eq!(run(&["check", "--quiet", "--format", "json"]).status.code(), Some(2));
}

#[test]
fn completions_are_made_for_every_shell_and_bash_takes_them() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(text(&output.stdout).contains("healthcheck"), "{shell}");
    }
    assert_eq!(run(&["completions", "tcsh"]).status.code(), Some(2));
    // Loaded by a real bash, and asked what may follow.
    let script = r#"source /dev/stdin; COMP_WORDS=(mailwarden he); COMP_CWORD=1
        _mailwarden mailwarden he mailwarden; printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash =
        Command::new("bash").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut bash.stdin.take().unwrap(), &run(&["completions", "bash"]).stdout).unwrap();
    assert_eq!(text(&bash.wait_with_output().unwrap().stdout), "healthcheck\n");
}

#[test]
fn every_command_has_a_man_page_that_a_formatter_takes() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["man", "--dir", dir.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let mut names: Vec<String> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(
        names.contains(&"mailwarden.1".to_owned()) && names.contains(&"mailwarden-serve.1".to_owned()),
        "{names:?}"
    );
    for name in &names {
        let page = dir.path().join(name);
        let lint = Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(&page).output();
        let lint = lint.expect("mandoc is needed here");
        assert!(lint.status.success(), "{name}: {}", text(&lint.stdout));
        // The same as is printed for one command.
        let command = name.strip_prefix("mailwarden-").and_then(|rest| rest.strip_suffix(".1"));
        let printed = run(&command.map_or(vec!["man"], |command| vec!["man", command]));
        assert_eq!(text(&printed.stdout), std::fs::read_to_string(&page).unwrap());
    }
    let page = dir.path().join("mailwarden.1");
    let shown = Command::new("mandoc").args(["-T", "ascii"]).arg(&page).output().unwrap();
    // Bold and underlined letters are written over themselves there.
    let shown: Vec<&str> = text(&shown.stdout).lines().map(str::trim).collect();
    for line in [
        "0  success        2  wrong usage     69  the catcher cannot be reached",
        "1  it failed     78  the configuration is wrong",
        "mailwarden check && mailwarden serve",
    ] {
        assert!(shown.contains(&line), "{shown:#?}");
    }
    let source = std::fs::read_to_string(&page).unwrap();
    assert!(source.contains("\n.SH FILES\n") && source.contains("/etc/mailwarden/htpasswd"), "{source}");
    let output = run(&["man", "nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there are serve, check, user, user-add"), "{}", text(&output.stderr));
    assert_eq!(run(&["man", "--dir", "/nowhere/at/all"]).status.code(), Some(1));
}
