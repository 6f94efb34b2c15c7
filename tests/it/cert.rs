//! `mailwarden cert` from outside: what it prints, and that nothing is overwritten or left half, whoever else is at work and
//! whatever is killed when.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mailwarden::cert::Says;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::support::gate::binary;

/// The command on that folder.
fn command(arguments: &[&str], dir: &Path) -> Command {
    let mut command = binary();
    command.arg("cert").args(arguments).arg("--dir").arg(dir).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], dir: &Path) -> Output {
    command(arguments, dir).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// What it prints where all went well.
fn done(arguments: &[&str], dir: &Path) -> String {
    let output = run(arguments, dir);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// What it says where it did not do it.
fn refused(arguments: &[&str], dir: &Path) -> (i32, String) {
    let output = run(arguments, dir);
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    (output.status.code().unwrap(), text(&output.stderr).to_owned())
}

/// The certificate of a folder, after a look whether its key is there whole and fits; none if there is no such folder.
fn whole(folder: &Path) -> Option<(Vec<u8>, Says)> {
    if !folder.exists() {
        return None;
    }
    let read =
        |name: &str| fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{folder:?} lacks {name}: {error}"));
    let certificate = CertificateDer::from_pem_slice(&read("certificate.pem")).expect("a whole certificate");
    let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).expect("a whole key");
    CertifiedKey::from_der(vec![certificate.clone()], key, &default_provider()).expect("the key fits");
    let says = Says::read(&certificate).expect("a certificate");
    Some((certificate.to_vec(), says))
}

fn entries(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A folder that is not there yet.
fn nowhere() -> (tempfile::TempDir, PathBuf) {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("tls");
    (top, dir)
}

#[test]
fn it_says_where_all_is_and_what_to_do_with_it() {
    let (_top, dir) = nowhere();
    let said = done(&["new", "Mail.Dev.Test", "192.0.2.7", "mail.dev.test."], &dir);
    let at = dir.display();
    for line in [
        "made a certificate for mail.dev.test, 192.0.2.7, until 20".to_owned(),
        format!("cert_file = \"{at}/mail.dev.test/certificate.pem\"\n"),
        format!("key_file = \"{at}/mail.dev.test/key.pem\"\n"),
        format!("a copy of {at}/authority.pem\n"),
    ] {
        assert!(said.contains(&line), "{line:?} is not in\n{said}");
    }
    for system in
        ["update-ca-certificates", "update-ca-trust", "add-trusted-cert", "-addstore", "nssdb", "Firefox", "curl"]
    {
        assert!(said.contains(system), "{system}");
    }
    assert_eq!(entries(&dir), ["authority", "authority.pem", "mail.dev.test"]);
    let shown = done(&["show"], &dir);
    assert!(shown.contains(&format!("{at}/mail.dev.test: for mail.dev.test, 192.0.2.7, until 20")), "{shown}");
    assert!(said.ends_with(shown.split_once("\n\n").unwrap().1), "the same way to trust it");
}

#[test]
fn scripts_read_what_is_there_as_json() {
    let (_top, dir) = nowhere();
    done(&["new", "mail.dev.test", "192.0.2.7", "--allow", "dev.test"], &dir);
    done(&["new", "b.dev.test"], &dir);
    std::fs::write(dir.join("b.dev.test/certificate.pem"), "nonsense").unwrap();
    let shown: serde_json::Value = serde_json::from_str(&done(&["show", "--format", "json"], &dir)).unwrap();
    let at = std::fs::canonicalize(&dir).unwrap().display().to_string();
    let (authority, certificates) = (&shown["authority"], &shown["certificates"]);
    assert_eq!(authority["file"], format!("{at}/authority.pem"), "{shown:#}");
    assert!(done(&["show"], &dir).contains(authority["sha256"].as_str().unwrap()), "{shown:#}");
    let scopes = authority["scopes"].as_array().unwrap();
    assert!(
        ["mail.dev.test", "dev.test", "localhost"].iter().all(|scope| scopes.contains(&(*scope).into())),
        "{shown:#}"
    );
    assert_eq!(certificates[0]["certificate"], format!("{at}/b.dev.test/certificate.pem"), "{shown:#}");
    assert_eq!(certificates[0].get("names"), None, "{shown:#}");
    assert_eq!(certificates[1]["key"], format!("{at}/mail.dev.test/key.pem"), "{shown:#}");
    assert_eq!(certificates[1]["names"], serde_json::json!(["mail.dev.test", "192.0.2.7"]), "{shown:#}");
    assert_eq!(certificates[1]["of_this_authority"], true, "{shown:#}");
    let until: jiff::Timestamp = certificates[1]["not_after"].as_str().unwrap().parse().unwrap();
    assert!(until > jiff::Timestamp::now(), "{shown:#}");
}

#[test]
fn what_is_there_is_never_overwritten_and_the_way_on_is_told() {
    let (_top, dir) = nowhere();
    done(&["new", "mail.dev.test", "--allow", "dev.test"], &dir);
    let before = whole(&dir.join("mail.dev.test"));
    let (code, said) = refused(&["new", "mail.dev.test", "other.dev.test"], &dir);
    assert_eq!(code, 1);
    assert!(said.contains("nothing is overwritten") && said.contains("cert renew mail.dev.test --dir "), "{said}");
    let (code, said) = refused(&["new", "mail.example"], &dir);
    assert!(
        code == 1 && said.contains("may not sign for mail.example: it was made for mail.dev.test, dev.test"),
        "{said}"
    );
    let (code, said) = refused(&["new", "a.dev.test", "--allow", "example"], &dir);
    assert!(code == 1 && said.contains("example cannot be added"), "{said}");
    done(&["new", "a.dev.test", "--allow", "dev.test"], &dir);
    assert_eq!(whole(&dir.join("mail.dev.test")), before);
    assert_eq!(entries(&dir), ["a.dev.test", "authority", "authority.pem", "mail.dev.test"]);
}

#[test]
fn what_is_no_name_is_wrong_usage_and_makes_nothing() {
    let (_top, dir) = nowhere();
    for (arguments, why) in [
        (&["new"][..], "NAME"),
        (&["new", "bücher.example"], "xn--"),
        (&["new", "https://a.example/"], "leave out scheme"),
        (&["new", "*"], "*.dev.example"),
        (&["new", "a.example", "--days", "825"], "824"),
        (&["new", "a.example", "--days", "0"], "1..=824"),
        (&["new", "a.example", "--allow", "a/b"], "--allow"),
        (&["new", "a.example", "--group", "no-such-group"], "its number would do"),
    ] {
        let (code, said) = refused(arguments, &dir);
        assert!(code == 2 && said.contains(why), "{arguments:?}: {code} {said}");
    }
    assert_eq!(refused(&["renew"], &dir).0, 1);
    assert_eq!(refused(&["show"], &dir).0, 1);
    assert!(!dir.exists());
    // The authority's own folder is no certificate's.
    assert_eq!(refused(&["new", "authority"], &dir).0, 1);
    assert_eq!(entries(&dir), [""; 0]);
}

#[test]
fn renewing_changes_the_dates_and_nothing_else_and_leaves_what_others_signed() {
    let (_top, dir) = nowhere();
    done(&["new", "a.test", "192.0.2.7", "--days", "3", "--allow", "test"], &dir);
    done(&["new", "b.test", "--days", "3"], &dir);
    let (_other_top, other) = nowhere();
    done(&["new", "c.test"], &other);
    fs::create_dir(dir.join("c.test")).unwrap();
    for name in ["certificate.pem", "key.pem"] {
        fs::copy(other.join("c.test").join(name), dir.join("c.test").join(name)).unwrap();
    }
    let key = fs::read(dir.join("a.test/key.pem")).unwrap();
    let (before, others) = (whole(&dir.join("a.test")).unwrap().1, whole(&dir.join("c.test")));
    let output = run(&["renew"], &dir);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("c.test is not of this authority"), "{}", text(&output.stderr));
    for name in ["a.test", "b.test"] {
        let after = whole(&dir.join(name)).unwrap().1;
        assert!(after.not_after > before.not_after, "{name}");
    }
    let after = whole(&dir.join("a.test")).unwrap().1;
    assert_eq!((&after.names, fs::read(dir.join("a.test/key.pem")).unwrap()), (&before.names, key));
    assert_eq!(whole(&dir.join("c.test")), others);
    assert!(refused(&["renew", "c.test"], &dir).1.contains("not of the authority"));
    assert!(refused(&["renew", "no.test"], &dir).1.contains("there is no"));
}

#[test]
fn of_many_at_once_one_makes_the_authority_and_one_each_certificate() {
    let (_top, dir) = nowhere();
    let names: Vec<String> = (0..24).map(|number| format!("host{}.dev.test", number % 6)).collect();
    let started: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command = command(&["new", name, "--allow", "dev.test"], &dir);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let ended: Vec<Output> = started.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let said = |part: &str| ended.iter().filter(|output| text(&output.stdout).contains(part)).count();
    assert_eq!((said("made the authority"), said("made a certificate")), (1, 6));
    for output in ended.iter().filter(|output| !output.status.success()) {
        assert!(text(&output.stderr).contains("nothing is overwritten"), "{}", text(&output.stderr));
    }
    let authority = whole(&dir.join("authority")).unwrap();
    for number in 0..6 {
        let name = format!("host{number}.dev.test");
        assert!(whole(&dir.join(&name)).unwrap().1.is_from(&authority.1), "{name}");
    }
    assert_eq!(entries(&dir).len(), 8, "{:?}", entries(&dir));
}

/// The calls that change something, of which one after the other is the last.
const CALLS: &str = "mkdir,openat,write,fchown,fchmod,chmod,fsync,rename,renameat2,unlink,unlinkat,rmdir,flock";

/// Ends the command at its `number`th call that changes something; whether it came that far.
fn killed_at(number: u32, mut command: Command) -> bool {
    let inject = format!("inject={CALLS}:signal=SIGKILL:when={number}");
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-o", "/dev/null", "-e", &format!("trace={CALLS}"), "-e", &inject]);
    strace.arg(command.get_program()).args(command.get_args());
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status =
        strace.status().unwrap_or_else(|error| panic!("strace cannot be run ({error}): tests/run installs it"));
    command.stdin(Stdio::null());
    !status.success()
}

#[test]
fn killed_at_any_call_it_leaves_whole_pairs_or_none() {
    let new = ["new", "mail.dev.test"];
    let mut number = 0;
    loop {
        number += 1;
        let (_top, dir) = nowhere();
        let was_killed = killed_at(number, command(&new, &dir));
        let _ = whole(&dir.join("authority"));
        let is_made = whole(&dir.join("mail.dev.test")).is_some();
        if !was_killed {
            assert!(is_made);
            break;
        }
        // The next one completes it, or finds it complete.
        let next = run(&new, &dir);
        assert_eq!(next.status.code(), Some(i32::from(is_made)), "killed at {number}: {}", text(&next.stderr));
        let authority = whole(&dir.join("authority")).unwrap();
        assert!(whole(&dir.join("mail.dev.test")).unwrap().1.is_from(&authority.1));
        let trusted = CertificateDer::from_pem_slice(&fs::read(dir.join("authority.pem")).unwrap()).unwrap();
        assert_eq!(*trusted, *authority.0, "killed at {number}");
        assert_eq!(entries(&dir), ["authority", "authority.pem", "mail.dev.test"], "killed at {number}");
    }
    assert!(number > 25, "only {number} calls were seen");
}

#[test]
fn killed_at_any_call_a_renewal_leaves_the_old_certificate_or_the_new_one() {
    let (_top, dir) = nowhere();
    done(&["new", "mail.dev.test", "--days", "3"], &dir);
    let old = whole(&dir.join("mail.dev.test")).unwrap();
    let mut number = 0;
    loop {
        number += 1;
        let was_killed = killed_at(number, command(&["renew"], &dir));
        let now = whole(&dir.join("mail.dev.test")).unwrap();
        assert_eq!(now.1.names, old.1.names);
        if !was_killed {
            assert_ne!(now, old);
            break;
        }
    }
    assert!(number > 10, "only {number} calls were seen");
    done(&["renew"], &dir);
    assert_eq!(entries(&dir.join("mail.dev.test")), ["certificate.pem", "key.pem"]);
}
