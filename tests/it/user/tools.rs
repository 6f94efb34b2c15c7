//! Other programs that know the same file: what they write opens here, and what is written here opens there.

use std::process::{Child, Command, Stdio};

use super::{done, said, text, user};
use crate::support::patience::eventually;
use crate::tools::made_by;

/// As people type them: blanks, letters beyond ASCII, and what a shell would take for itself.
const PASSWORDS: [&str; 3] = ["secret", "two words ü 李", "$a'b\"c\\"];

#[test]
fn htpasswd_takes_what_is_written_in_the_formats_it_knows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    for (format, cost) in [("bcrypt", Some("8")), ("sha512-crypt", Some("50000")), ("apr1", None)] {
        for password in PASSWORDS {
            let mut arguments = vec!["add", "anna", "--hash", format, "--file", text(&path)];
            arguments.extend(cost.map(|cost| ["--cost", cost]).into_iter().flatten());
            done(&arguments, Some(password));
            made_by("htpasswd", &["-vb", text(&path), "anna", password], "");
            let wrong = Command::new("htpasswd").args(["-vb", text(&path), "anna", "wrong"]).output().unwrap();
            assert_eq!(wrong.status.code(), Some(3), "{format}");
            done(&["remove", "anna", "--file", text(&path)], None);
        }
    }
}

#[test]
fn what_htpasswd_writes_is_verified_and_changed_here_and_the_other_way_round() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    for (index, format) in ["-m", "-B", "-s", "-d", "-5", "-2"].into_iter().enumerate() {
        let name = format!("user{index}");
        let create = if index == 0 { "-cb" } else { "-b" };
        made_by("htpasswd", &[create, format, text(&path), &name, "secret"], "");
        done(&["verify", &name, "--file", text(&path)], Some("secret"));
        assert_eq!(said(&user(&["verify", &name, "--file", text(&path)], Some("wrong"))).0, 1);
    }
    let told = done(&["passwd", "user0", "--file", text(&path)], Some("changed"));
    assert!(told.contains("bcrypt, cost 10"), "what nginx reads stays what nginx reads: {told}");
    made_by("htpasswd", &["-vb", text(&path), "user0", "changed"], "");
    made_by("htpasswd", &["-b", "-m", text(&path), "user0", "again"], "");
    made_by("htpasswd", &["-D", text(&path), "user1"], "");
    done(&["verify", "user0", "--file", text(&path)], Some("again"));
    let listed = done(&["list", "--file", text(&path)], None);
    assert_eq!(listed.lines().count(), 5, "{listed}");
}

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_running_nginx_lets_in_whom_it_let_in_and_the_new_user_too() {
    let dir = tempfile::tempdir().unwrap();
    let (path, socket, root) = (dir.path().join("htpasswd"), dir.path().join("socket"), dir.path().join("www"));
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("index.html"), "inside").unwrap();
    made_by("htpasswd", &["-cbm", text(&path), "anna", "secret"], "");
    let config = dir.path().join("nginx.conf");
    let (at, users, www) = (text(&socket), text(&path), text(&root));
    std::fs::write(
        &config,
        format!(
            "daemon off; master_process off; pid {at}.pid; error_log {at}.log; events {{}}\n\
             http {{ access_log off; client_body_temp_path {at}.b; proxy_temp_path {at}.p; fastcgi_temp_path {at}.f;\n\
             uwsgi_temp_path {at}.u; scgi_temp_path {at}.s;\n\
             server {{ listen unix:{at}; root {www}; auth_basic x; auth_basic_user_file {users}; }} }}\n"
        ),
    )
    .unwrap();
    let nginx =
        Command::new("/usr/sbin/nginx").arg("-c").arg(&config).args(["-e", "stderr"]).stderr(Stdio::null()).spawn();
    let _nginx = Stopped(nginx.expect("nginx is needed here: tests/run installs it"));
    let status = |name: &str, password: &str| {
        let credentials = format!("{name}:{password}");
        let arguments =
            ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", at, "-u", &credentials, "http://x/"];
        let output = Command::new("curl").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    eventually("nginx to answer", || (status("anna", "secret") == "200").then_some(()));
    done(&["add", "bert", "--file", users], Some("pässwort"));
    done(&["add", "carl", "--hash", "sha512-crypt", "--file", users], Some("secret"));
    done(&["add", "dora", "--hash", "apr1", "--file", users], Some("secret"));
    assert_eq!(status("bert", "pässwort"), "200", "bcrypt, which nobody had to ask for");
    assert_eq!((status("carl", "secret"), status("dora", "secret")), ("200".to_owned(), "200".to_owned()));
    assert_eq!((status("anna", "secret"), status("bert", "wrong")), ("200".to_owned(), "401".to_owned()));
}
