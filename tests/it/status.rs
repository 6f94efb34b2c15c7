//! The status listener, `healthcheck` and `health_path`.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::process::{Output, Stdio};
use std::time::Instant;

use crate::support::catcher::{Catcher, Gate as Hold, Options, Script};
use crate::support::gate::{AS_ANNA, Gate, binary};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::{Answer, Client};

fn started(config: &str) -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(config).with_status().start();
    (catcher, gate)
}

fn ask(gate: &Gate, request: &str) -> Answer {
    Client::connect(gate.status_addr()).send(request).answer()
}

// --- what is told

#[test]
fn a_gate_at_its_work_lives_and_is_ready() {
    let (_catcher, gate) = started("");
    assert_eq!(gate.status("/livez"), (200, "alive\n".to_owned()));
    assert_eq!(
        gate.status("/readyz"),
        (200, "ready\nreload: ok\nupstream: ok\npurge: ok\nisolation: ok\ncertificate: ok\n".to_owned())
    );
    let (code, told) = gate.status("/metrics");
    assert_eq!(code, 200);
    assert!(told.contains("mailwarden_build_info{version=\"") && told.contains("\nmailwarden_users 1\n"), "{told}");
    assert_eq!(gate.status("/").0, 404);
    assert_eq!(gate.status("/metrics/").0, 404);
}

#[test]
fn one_connection_can_ask_many_times() {
    let (_catcher, gate) = started("");
    let mut client = Client::connect(gate.status_addr());
    for path in ["/livez", "/readyz", "/metrics", "/livez"] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(client.answer().status, 200, "{path}");
    }
}

#[test]
fn head_is_told_the_same_without_a_body() {
    let (_catcher, gate) = started("");
    let mut client = Client::connect(gate.status_addr());
    client.send("HEAD /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(answer.contains("content-length: 6\r\n"), "{answer}");
}

#[test]
fn nothing_can_be_done_there() {
    let (catcher, gate) = started("");
    for method in ["POST", "DELETE", "PUT", "OPTIONS", "PATCH", "TRACE"] {
        for path in ["/livez", "/messages", "/"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n");
            let answer = ask(&gate, &request);
            assert_eq!((answer.status, answer.field("allow").as_deref()), (405, Some("GET, HEAD")), "{request}");
        }
    }
    // Nor is anything of the catcher's to be had there, with a password or without.
    assert_eq!(ask(&gate, &format!("GET /messages HTTP/1.1\r\nHost: localhost\r\n{AS_ANNA}\r\n")).status, 404);
    assert_eq!(catcher.requests().len(), 0);
}

/// DNS rebinding: a page whose name leads to 127.0.0.1 asks with that name.
#[test]
fn only_addresses_and_localhost_are_answered() {
    let (_catcher, gate) = started("");
    let to = |host: &str| ask(&gate, &format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n")).status;
    for host in ["localhost", "localhost:9080", "127.0.0.1:9080", "[::1]:9080", "10.0.0.7"] {
        assert_eq!(to(host), 200, "{host}");
    }
    for host in ["evil.test", "evil.test:9080", "localhost.evil.test", "127.0.0.1.evil.test", ""] {
        assert_eq!(to(host), 421, "{host}");
    }
    assert_eq!(ask(&gate, "GET http://evil.test/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 421);
    assert_eq!(ask(&gate, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n").status, 400);
    assert_eq!(ask(&gate, "GET /metrics HTTP/1.1\r\n\r\n").status, 400);
    // HAProxy's and other plain probes send none.
    assert_eq!(ask(&gate, "GET /livez HTTP/1.0\r\n\r\n").status, 200);
}

#[test]
fn no_name_address_or_path_is_told() {
    let (catcher, gate) = started("access.users = { anna = [\"view\"] }");
    let mut client = gate.connect();
    client.request("GET /messages?token=hunter2", AS_ANNA);
    client.request("GET /secret-path", AS_ANNA);
    client.request("GET /messages", "Authorization: Basic YW5uYTp3cm9uZw==\r\n");
    drop(catcher);
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 502);
    std::fs::write(gate.config_file(), "access.users = { anna = [\"veiw\"] }\nupstream.url = \"http://u:p@x.test\"")
        .unwrap();
    gate.signal("HUP");
    gate.log_line("mistakes in the configuration");
    let told = format!("{}{}", gate.status("/readyz").1, gate.status("/metrics").1);
    assert!(told.contains("upstream: degraded") && told.contains("reload: degraded"), "{told}");
    for word in ["anna", "secret", "token", "127.0.0.1", "x.test", "htpasswd", "messages"] {
        assert!(!told.contains(word), "{word}: {told}");
    }
}

// --- what is counted

#[test]
fn requests_refusals_and_logins_are_counted() {
    let (catcher, gate) = started("");
    let mut client = gate.connect();
    for (line, fields, status) in [
        ("GET /messages", AS_ANNA, 200),
        ("GET /messages", AS_ANNA, 200),
        ("GET /messages", "", 401),
        ("GET /messages", "Authorization: Basic YW5uYTp3cm9uZw==\r\n", 401),
        ("DELETE /", AS_ANNA, 403),
        ("GET /nothing", AS_ANNA, 404),
        ("GET /messages/9.json", AS_ANNA, 404),
    ] {
        assert_eq!(client.request(line, fields).status, status, "{line}");
    }
    let _ = gate.connect().send("nonsense\r\n\r\n").answer();
    let told = |name: &str| gate.metric(name).unwrap_or(0.0);
    assert_eq!(told("mailwarden_requests_total{code=\"200\"}"), 2.0);
    assert_eq!(told("mailwarden_requests_total{code=\"401\"}"), 2.0);
    assert_eq!(told("mailwarden_requests_total{code=\"404\"}"), 2.0);
    eventually("what was no request", || (told("mailwarden_requests_total{code=\"400\"}") == 1.0).then_some(()));
    for (reason, count) in [
        // Neither is told apart, or whoever asks could find out which names exist.
        ("unauthorized", 2.0),
        ("permission missing", 1.0),
        ("no such route", 1.0),
        ("not HTTP/1", 1.0),
    ] {
        assert_eq!(told(&format!("mailwarden_refusals_total{{reason=\"{reason}\"}}")), count, "{reason}");
    }
    for (result, count) in [("ok", 5.0), ("no-credentials", 1.0), ("wrong", 1.0)] {
        assert_eq!(told(&format!("mailwarden_authentications_total{{result=\"{result}\"}}")), count, "{result}");
    }
    // One right password was computed and then remembered, one wrong one was computed.
    assert_eq!(told("mailwarden_password_hashes_total"), 2.0);
    assert_eq!(told("mailwarden_credential_cache_hits_total"), 4.0);
    assert_eq!(told("mailwarden_credential_cache_entries"), 1.0);
    assert_eq!(told("mailwarden_upstream_answer_seconds_count"), 3.0);
    assert_eq!(told("mailwarden_connections"), 1.0);
    assert_eq!(told("mailwarden_connections_accepted_total"), 2.0);
    assert_eq!(told("mailwarden_upstream_connections"), 1.0);
    drop(catcher);
    client.request("GET /messages", AS_ANNA);
    assert_eq!(told("mailwarden_upstream_faults_total{fault=\"unreachable\"}"), 1.0);
    drop(client);
    eventually("the connection to be gone", || (told("mailwarden_connections") == 0.0).then_some(()));
}

#[test]
fn a_client_that_leaves_before_the_answer_is_counted_as_499() {
    let (catcher, gate) = started("");
    let hold = Hold::closed();
    catcher.next(Script::held(&hold));
    let mut client = gate.connect();
    client.send(format!("GET /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 1));
    drop(client);
    eventually("the count", || gate.metric("mailwarden_requests_total{code=\"499\"}"));
    hold.open();
}

/// The parser of the format is strict enough to tell: a type a family, one help a family, families not interleaved.
#[test]
fn the_text_is_in_the_exposition_format() {
    let (_catcher, gate) = started("");
    gate.connect().request("GET /messages", AS_ANNA);
    let answer = ask(&gate, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(answer.field("content-type").as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    assert!(text.ends_with('\n'));
    let mut family = String::new();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(seen.insert(name.to_owned()) && help.ends_with('.'), "{line}");
            family = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
        } else {
            assert!(line.starts_with(&family), "{line}");
            let (_, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    // And each is explained to whoever reads the manual.
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for name in seen {
        assert!(readme.contains(&name), "{name} is not in README.md");
    }
}

// --- the catcher

#[test]
fn a_catcher_that_goes_and_comes_back_is_noticed_without_a_request() {
    let (catcher, mut gate) = started("");
    assert!(gate.status("/readyz").1.contains("upstream: ok\n"));
    catcher.stop();
    eventually("the condition", || {
        let (code, told) = gate.status("/readyz");
        assert_eq!(code, 200);
        told.contains("it does not take connections\n").then_some(())
    });
    assert_eq!(gate.metric("mailwarden_condition_degraded{condition=\"upstream\"}"), Some(1.0));
    gate.log_line("the catcher cannot be reached");
    catcher.restart();
    // Not even a question: the gate looks by itself.
    gate.log_line("the catcher answers again");
    assert!(gate.status("/readyz").1.contains("upstream: ok\n"));
    assert!(catcher.requests().is_empty() && gate.is_running());
}

// --- when it is not told

#[test]
fn readiness_ends_with_the_stop_and_life_does_not() {
    let (catcher, mut gate) = started("timeouts.stop = \"60s\"");
    let hold = Hold::closed();
    catcher.next(Script::held(&hold));
    let mut client = gate.connect();
    client.send(format!("GET /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 1));
    gate.signal("TERM");
    eventually("readiness to end", || {
        let (code, told) = gate.status("/readyz");
        (code == 503 && told.starts_with("draining\n")).then_some(())
    });
    assert_eq!(gate.status("/livez").0, 200);
    hold.open();
    assert_eq!(client.answer().status, 200);
    assert_eq!(gate.wait().code(), Some(0));
}

#[test]
fn it_can_be_off_and_on_a_unix_socket() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    assert!(!gate.log().iter().any(|line| line.contains("telling how it goes")));

    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("status.sock");
    let gate = Gate::to(catcher.http_addr()).status_on(&format!("unix:{}", socket.display())).start();
    gate.log_line("telling how it goes");
    let mut client = Client::connect_unix(&socket);
    client.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.answer().text(), "alive\n");
    assert!(healthcheck(&["--status-listen", &format!("unix:{}", socket.display())]).status.success());
}

#[test]
fn an_address_that_was_asked_for_and_is_taken_ends_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let users = dir.path().join("htpasswd");
    std::fs::write(&users, "").unwrap();
    let output = binary()
        .args(["serve", "--listen", "127.0.0.1:0", "--status-listen", &addr, "--users-file"])
        .arg(&users)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {addr}")), "{said}");
}

#[test]
fn many_who_ask_and_say_nothing_keep_nobody_else_out_for_long() {
    let (_catcher, gate) = started("");
    let addr = gate.status_addr();
    let _silent: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(addr).unwrap()).collect();
    // Those over the bound are closed, the others when they have been silent for ten seconds.
    eventually("an answer", || {
        let mut client = Client::connect(addr);
        let _ = client.try_send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.try_answer(false).filter(|answer| answer.status == 200)
    });
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
}

// --- healthcheck

fn healthcheck(arguments: &[&str]) -> Output {
    let no_file = std::env::temp_dir().join("no-such-folder/mailwarden.toml");
    let mut command = binary();
    command.arg("healthcheck").args(arguments).stdin(Stdio::null());
    if !arguments.contains(&"--config") {
        // A file that is not there is as good as none to it.
        command.arg("--config").arg(no_file);
    }
    command.output().unwrap()
}

#[test]
fn healthcheck_asks_the_running_daemon() {
    let (_catcher, gate) = started("");
    let addr = gate.status_addr().to_string();
    let output = healthcheck(&["--status-listen", &addr]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"alive\n".as_slice()));
    let output = healthcheck(&["--ready", "--status-listen", &addr]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"ready\n"));
    // It is dead when nobody answers, and not ready without users.
    std::fs::write(gate.users_file(), "").unwrap();
    eventually("readiness to end", || (gate.status("/readyz").0 == 503).then_some(()));
    let output = healthcheck(&["--ready", "--status-listen", &addr]);
    assert_eq!((output.status.code(), output.stderr.starts_with(b"no users\n")), (Some(1), true));
    assert_eq!(healthcheck(&["--status-listen", &addr]).status.code(), Some(0));
    drop(gate);
    let output = healthcheck(&["--status-listen", &addr]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("{addr}: Connection refused")));
}

/// Somebody is about to edit the file of a daemon that goes on with what it has.
#[test]
fn a_mistake_in_the_configuration_does_not_make_a_daemon_look_dead() {
    let (_catcher, gate) = started("");
    let file = gate.config_file();
    let text = format!("workers = 0\nnonsense = 1\n[status]\nlisten = \"{}\"\n", gate.status_addr());
    std::fs::write(&file, text).unwrap();
    assert_eq!(healthcheck(&["--config", file.to_str().unwrap()]).status.code(), Some(0));
}

#[test]
fn what_cannot_be_asked_is_1_and_says_why() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = silent.local_addr().unwrap().to_string();
    for (arguments, reason) in [
        (["--status-listen", "off"], "there is nobody to ask"),
        (["--status-listen", "systemd:status"], "only the service manager knows"),
        (["--status-listen", "nonsense"], "is not an address with its port"),
        (["--status-listen", addr.as_str()], "timed out"),
    ] {
        let begun = Instant::now();
        let output = healthcheck(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(reason), "{said}");
        assert!(begun.elapsed() < PATIENCE);
    }
}

// --- health_path

#[test]
fn a_load_balancer_is_answered_at_health_path_without_credentials_and_nowhere_else() {
    let (catcher, gate) = started("health_path = \"/healthz\"");
    let mut client = gate.connect();
    let answer = client.request("GET /healthz", "");
    assert_eq!((answer.status, answer.text().as_str()), (200, "ready\n"));
    assert_eq!(answer.field("cache-control").as_deref(), Some("no-store"));
    assert_eq!(client.request("GET /healthz?from=balancer", "").status, 200);
    assert_eq!(client.request("GET /healthz", AS_ANNA).status, 200);
    client.send("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
    let answer = client.request("OPTIONS /healthz", "");
    assert_eq!((answer.status, answer.field("allow").as_deref()), (204, Some("GET, HEAD, OPTIONS")));
    for method in ["POST", "DELETE", "PUT"] {
        let answer = gate.connect().request(&format!("{method} /healthz"), "Content-Length: 0\r\n");
        assert_eq!((answer.status, answer.field("allow").as_deref()), (405, Some("GET, HEAD, OPTIONS")), "{method}");
    }
    for path in ["/healthz/", "/HEALTHZ", "//healthz", "/healthz/../messages", "/%68ealthz", "/healthz%2F", "/messages"]
    {
        assert_eq!(gate.connect().request(&format!("GET {path}"), "").status, 401, "{path}");
    }
    assert_eq!(gate.connect().request("OPTIONS /messages", "").status, 401);
    // HTTP/1.0 probes without Host, as HAProxy sends them.
    assert_eq!(gate.connect().send("GET /healthz HTTP/1.0\r\n\r\n").answer().status, 200);
    assert_eq!(catcher.requests().len(), 0);
}

#[test]
fn without_health_path_nothing_is_given_away() {
    let (_catcher, gate) = started("");
    for path in ["/healthz", "/livez", "/readyz", "/metrics", "/.mailwarden/", "/.mailwarden/healthz"] {
        assert_eq!(gate.connect().request(&format!("GET {path}"), "").status, 401, "{path}");
        assert_eq!(gate.connect().request(&format!("GET {path}"), AS_ANNA).status, 404, "{path}");
    }
}
