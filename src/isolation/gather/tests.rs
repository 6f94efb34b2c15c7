use proptest::prelude::*;

use super::super::facts::Upstream;
use super::programs::ask_within;
use super::upstream::{judge_answer, no_answer};
use super::*;

#[test]
fn people_are_told_from_accounts_of_programs() {
    let passwd = "root:x:0:0::/root:/bin/bash\nwww:x:33:33::/:/usr/sbin/nologin\nanna:x:1000:1000::/home/anna:/bin/bash\n\
        bob:x:1001:1001::/home/bob:/bin/false\nnobody:x:65534:65534::/:/bin/sh\nbroken\n";
    assert_eq!(people(passwd), Some(1));
}

#[test]
fn a_catcher_that_hangs_is_said_to_give_no_answer_in_time() {
    let hangs = no_answer(&io::Error::from(io::ErrorKind::WouldBlock));
    assert_eq!(hangs, "no answer to a request within 3 s");
}

#[test]
fn a_name_that_does_not_resolve_is_not_taken_for_another_machine() {
    assert!(is_here(&UpstreamHost::Name("no.such.name.invalid".into())).is_err());
    assert_eq!(is_here(&UpstreamHost::Ip([127, 0, 0, 1].into())), Ok(true));
}

#[test]
fn a_table_that_is_not_there_is_empty_and_one_that_is_broken_is_not() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy("/proc/self/net/tcp", dir.path().join("tcp")).unwrap();
    assert!(tables(dir.path()).is_ok());
    std::fs::create_dir(dir.path().join("tcp6")).unwrap();
    assert!(tables(dir.path()).is_err());
}

#[test]
fn a_folder_in_which_others_may_replace_files_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("htpasswd");
    for (mode, is_open) in [(0o755, false), (0o777, true), (0o1777, false)] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(open_folder(&file).is_some(), is_open, "{mode:o}");
    }
}

#[test]
fn interfaces_from_which_loopback_is_reached_are_read() {
    let dir = tempfile::tempdir().unwrap();
    for (name, value) in [("all", "0"), ("default", "1"), ("lo", "1"), ("eth0", "1"), ("eth1", "0")] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("route_localnet"), format!("{value}\n")).unwrap();
    }
    assert_eq!(localnet(dir.path()), ["eth0"]);
}

#[test]
fn a_program_that_hangs_is_not_waited_for() {
    assert_eq!(ask_within(&["sleep", "600"], Duration::from_millis(50)), None);
    assert_eq!(ask(&["echo", "all"]).as_deref(), Some("all\n"));
    assert_eq!(ask(&["false"]), None);
}

#[test]
fn only_a_list_is_the_catchers_answer() {
    let list = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[";
    assert_eq!(judge_answer(list), Upstream::Speaks);
    for other in [
        &b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<"[..],
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"",
    ] {
        assert!(matches!(judge_answer(other), Upstream::Other(_)), "{other:?}");
    }
}

proptest! {
    #[test]
    fn no_answer_panics(answer: Vec<u8>, passwd: String) {
        let _ = (judge_answer(&answer), people(&passwd));
    }
}
