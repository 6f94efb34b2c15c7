//! `mailwarden convert` from outside: what goes to which stream, the exit code, and that `check` takes what comes out.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::support::gate::binary;

fn convert(arguments: &[&str], input: &str) -> Output {
    let mut command = binary();
    command.arg("convert").args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who refuses early reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Exit code, standard output, standard error.
fn said(output: &Output) -> (i32, &str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A block that a guide would have, with this in its location and this users file.
fn block(users: &Path, more: &str) -> String {
    let users = users.display();
    format!(
        "server {{\n listen 127.0.0.1:8099;\n location / {{\n  auth_basic x; auth_basic_user_file {users};\n  proxy_pass \
         http://127.0.0.1:1080;\n  proxy_set_header Host $host;\n  {more}\n }}\n}}\n"
    )
}

#[test]
fn the_configuration_goes_to_standard_output_and_check_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    // The hash of "secret" as htpasswd -s writes it.
    std::fs::write(path("htpasswd"), "anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    std::fs::write(path("mail"), block(&path("htpasswd"), "gzip off;")).unwrap();
    let output = convert(&["nginx", path("mail").to_str().unwrap()], "");
    let (code, toml, notes) = said(&output);
    let mail = path("mail").display().to_string();
    assert_eq!(code, 0, "{notes}");
    assert!(toml.starts_with(&format!("# Made by mailwarden convert nginx from {mail}.\n")), "{toml}");
    assert!(notes.contains(&format!("{mail}:5: wrong: no Upgrade and Connection headers")), "{notes}");
    assert!(notes.contains(&format!("{mail}:6: wrong: Host $host has no port")), "{notes}");
    std::fs::write(path("mailwarden.toml"), toml).unwrap();
    let checked = binary().args(["check", "--config", path("mailwarden.toml").to_str().unwrap()]).output().unwrap();
    let (code, plan, faults) = said(&checked);
    assert_eq!(code, 0, "{faults}");
    assert!(plan.contains("127.0.0.1:8099") && plan.contains("http://127.0.0.1:1080"), "{plan}");
}

#[test]
fn what_kept_people_out_is_in_the_heading_and_in_the_exit_code() {
    let output = convert(&["nginx", "-"], &block(Path::new("/x"), "allow 10.0.0.0/8; deny all;"));
    let (code, toml, notes) = said(&output);
    assert_eq!(code, 1);
    assert!(toml.contains("# MISSING: standard input:7: deny all"), "{toml}");
    assert!(notes.contains("standard input:7: open: allow 10.0.0.0/8"), "{notes}");
    assert!(notes.ends_with("(the notes that say \"open\").\n"), "{notes}");
}

#[test]
fn faults_have_their_codes_and_no_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none").display().to_string();
    for (arguments, input, expected, text) in [
        (
            vec!["nginx", "-"],
            "gzip on;\nlisten 80",
            1,
            "standard input:2: error: the file ends within a directive; end it with ;\n",
        ),
        (vec!["apache", "-"], "</Location>", 1, "standard input:1: error: </location> closes nothing; remove it\n"),
        (vec!["crontab", "-"], "", 1, "standard input: error: no line here empties a catcher"),
        (vec!["nginx", missing.as_str()], "", 1, "No such file"),
        (vec!["apache", "/dev/zero"], "", 1, "/dev/zero: error: is no regular file\n"),
        (vec!["nginx"], "", 2, "Usage"),
        (vec!["lighttpd", "x"], "", 2, "unrecognized subcommand"),
    ] {
        let output = convert(&arguments, input);
        let (code, out, errors) = said(&output);
        assert_eq!((code, out), (expected, ""), "{arguments:?}");
        assert!(errors.contains(text), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_crontabs_password_is_in_no_output() {
    const CRONTAB: &str =
        "LOGIN=anna:Zq9xSecret\n0 3 * * * curl -u \"$LOGIN\" -X DELETE http://b:Zq9xSecret@mail.dev/messages\n";
    for crontab in [CRONTAB.to_owned(), CRONTAB.repeat(2), CRONTAB.replace("0 3 *", "0 3")] {
        for format in ["text", "json"] {
            let output = convert(&["crontab", "-", "--timezone", "Europe/Helsinki", "--format", format], &crontab);
            let (_, out, errors) = said(&output);
            assert!(!out.contains("Zq9x") && !errors.contains("Zq9x"), "{out}{errors}");
        }
    }
    let output = convert(&["crontab", "-", "--timezone", "Europe/Helsinki", "--format", "json"], CRONTAB);
    let (code, out, errors) = said(&output);
    assert_eq!((code, errors), (0, ""));
    let found: serde_json::Value = serde_json::from_str(out).unwrap();
    assert_eq!(found["ok"], true);
    assert!(
        found["configuration"].as_str().unwrap().contains("schedule = \"0 3 * * *\"\ntimezone = \"Europe/Helsinki\"\n")
    );
    let notes = found["notes"].as_array().unwrap();
    assert!(
        notes.iter().any(|note| note["kind"] == "wrong"
            && note["line"] == 2
            && note["text"].as_str().unwrap().contains("has no 03:00")),
        "{out}"
    );
}
