//! Reload: what was written last holds, connections stay, and a mistake changes nothing but what is told.

use std::net::TcpListener;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::catcher::{Catcher, Mail, Options};
use crate::support::gate::{ANNA, AS_ANNA, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Client;
use crate::upgrade::{HANDSHAKE, SWITCHED, next};

/// `htpasswd -nbs ben secret`
const BEN: &str = "ben:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
/// `htpasswd -nbs ben other`
const BEN_OTHER: &str = "ben:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=\n";

fn catcher() -> Catcher {
    Catcher::start(Options::default())
}

fn as_user(name: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

fn status(gate: &Gate, credentials: &str) -> u16 {
    gate.connect().request("GET /messages", credentials).status
}

fn becomes(gate: &Gate, credentials: &str, wanted: u16) {
    eventually("the change to hold", || (status(gate, credentials) == wanted).then_some(()));
}

/// Rewrites the configuration: `listen`, `status.listen`, `upstream.url` and `auth.users_file` stay as they were.
fn write_config(gate: &Gate, more: &str) {
    let file = gate.config_file();
    let before = std::fs::read_to_string(&file).unwrap();
    let kept: Vec<&str> = before.lines().take(4).collect();
    std::fs::write(&file, format!("{}\n{more}\n", kept.join("\n"))).unwrap();
}

/// Asks for a reload and waits until it has been done, well or badly.
pub(crate) fn reload(gate: &Gate) {
    let done =
        |gate: &Gate| -> f64 { ["ok", "failed"].iter().filter_map(|result| gate.metric(&reloads(result))).sum() };
    let before = done(gate);
    gate.signal("HUP");
    eventually("the reload", || (done(gate) > before).then_some(()));
}

fn reloads(result: &str) -> String {
    format!("mailwarden_reloads_total{{result=\"{result}\"}}")
}

fn open_as(gate: &Gate, credentials: &str) -> Client {
    let mut client = gate.connect();
    let answer = client.request("GET /messages", &format!("{credentials}{HANDSHAKE}"));
    assert_eq!(answer.status, 101, "{}", answer.text());
    client
}

#[test]
fn a_changed_users_file_holds_within_two_seconds_and_without_a_signal() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    let ben = as_user("ben", "secret");
    assert_eq!(status(&gate, &ben), 401);
    std::fs::write(gate.users_file(), format!("{ANNA}{BEN}")).unwrap();
    let written = Instant::now();
    becomes(&gate, &ben, 200);
    assert!(written.elapsed().as_millis() < 2000, "{:?}", written.elapsed());
    // By rename as well, as editors and configuration management do it.
    let new = gate.dir().join("new");
    std::fs::write(&new, ANNA).unwrap();
    std::fs::rename(&new, gate.users_file()).unwrap();
    let written = Instant::now();
    becomes(&gate, &ben, 401);
    assert!(written.elapsed().as_millis() < 2000, "{:?}", written.elapsed());
    assert_eq!(status(&gate, AS_ANNA), 200);
    gate.log_line("reloaded");
}

#[test]
fn a_password_that_was_verified_ends_with_its_line() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).users(&format!("{ANNA}{BEN}")).start();
    let (old, new) = (as_user("ben", "secret"), as_user("ben", "other"));
    let mut kept = gate.connect();
    assert_eq!(kept.request("GET /messages", &old).status, 200);
    std::fs::write(gate.users_file(), format!("{ANNA}{BEN_OTHER}")).unwrap();
    // On the connection that was there before as well.
    eventually("the old password to be refused", || (kept.request("GET /messages", &old).status == 401).then_some(()));
    assert_eq!(kept.request("GET /messages", &new).status, 200);
}

#[test]
fn sighup_reads_the_configuration_again_and_drops_no_connection() {
    let catcher = catcher();
    let other = Catcher::start(Options::default());
    other.deliver(Mail::new("in the other catcher"));
    let gate = Gate::to(catcher.http_addr()).with_status().start();
    let mut kept = gate.connect();
    assert_eq!(kept.request("GET /messages", AS_ANNA).text(), "[]");
    assert_eq!(kept.request("DELETE /messages", AS_ANNA).status, 204);

    write_config(&gate, "auth.realm = \"Other\"\naccess.default = [\"view\"]\nhealth_path = \"/healthz\"");
    reload(&gate);
    assert_eq!(kept.request("DELETE /messages", AS_ANNA).status, 403);
    assert_eq!(kept.request("GET /healthz", "").status, 200);
    let refused = kept.request("GET /messages", "");
    assert!(refused.field("www-authenticate").unwrap().contains("realm=\"Other\""));

    let file = gate.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&catcher.http_addr().to_string(), &other.http_addr().to_string())).unwrap();
    reload(&gate);
    assert!(kept.request("GET /messages", AS_ANNA).text().contains("in the other catcher"));
    assert_eq!(gate.metric(&reloads("ok")), Some(2.0));
    assert_eq!(gate.metric(&reloads("failed")), Some(0.0));
}

#[test]
fn a_reload_that_does_not_change_the_catcher_keeps_the_connections_to_it() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").with_status().start();
    for _ in 0..3 {
        assert_eq!(status(&gate, AS_ANNA), 200);
        reload(&gate);
    }
    let connections: std::collections::BTreeSet<_> =
        catcher.requests().iter().map(|received| received.connection).collect();
    assert_eq!((catcher.requests().len(), connections.len()), (3, 1));
}

#[test]
fn a_configuration_with_mistakes_changes_nothing_and_every_mistake_is_said() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).users(&format!("{ANNA}{BEN}")).with_status().start();
    write_config(&gate, "auth.realm = \"Other\"\nlimits.body = \"much\"\nacess.default = [\"view\"]");
    let mut socket = open_as(&gate, AS_ANNA);
    reload(&gate);
    let file = gate.config_file();
    let file = file.display();
    gate.log_line(&format!("{file}:6: limits.body: \"much\""));
    gate.log_line(&format!("{file}:7: acess: unknown table; did you mean access?"));
    gate.log_line("2 mistakes in the configuration");
    assert!(gate.connect().request("GET /messages", "").field("www-authenticate").unwrap().contains("Restricted"));
    assert_eq!(gate.metric(&reloads("failed")), Some(1.0));
    assert_eq!(gate.metric("mailwarden_condition_degraded{condition=\"reload\"}"), Some(1.0));
    let (code, told) = gate.status("/readyz");
    assert_eq!(code, 200, "a mistake must not take the gate out of a load balancer");
    assert!(told.starts_with("ready\n"), "{told}");
    let line = told.lines().find(|line| line.starts_with("reload: degraded since 20")).expect(&told);
    assert!(line.ends_with("the configuration has mistakes; the log names them"), "{line}");

    // Users are still read by themselves, and what is wrong with the configuration stays wrong.
    std::fs::write(gate.users_file(), ANNA).unwrap();
    becomes(&gate, &as_user("ben", "secret"), 401);
    assert!(gate.status("/readyz").1.contains("reload: degraded"));

    write_config(&gate, "auth.realm = \"Other\"");
    reload(&gate);
    gate.log_line("a reload succeeded again");
    assert!(gate.status("/readyz").1.contains("reload: ok\n"));
    assert!(gate.connect().request("GET /messages", "").field("www-authenticate").unwrap().contains("Other"));
    // Through all of this the socket stayed.
    catcher.deliver(Mail::new("still here"));
    assert!(String::from_utf8(next(&mut socket).1).unwrap().contains("still here"));
}

#[test]
fn keys_that_take_a_restart_are_named_and_the_others_are_taken_over() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).with_status().start();
    write_config(&gate, "workers = 7\nlog.level = \"error\"\ntimeouts.stop = \"3s\"\nauth.realm = \"Other\"");
    reload(&gate);
    gate.log_line("restart to change: workers, timeouts.stop, log.level");
    assert!(gate.connect().request("GET /messages", "").field("www-authenticate").unwrap().contains("Other"));
    assert!(gate.status("/readyz").1.contains("reload: ok\n"));
}

#[test]
fn a_users_file_that_goes_away_locks_out_nobody_and_is_read_when_it_comes_back() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).with_status().start();
    let file = gate.users_file();
    std::fs::remove_file(&file).unwrap();
    eventually("the condition", || gate.status("/readyz").1.contains("reload: degraded").then_some(()));
    gate.log_line(&format!("{} does not exist", file.display()));
    assert_eq!(status(&gate, AS_ANNA), 200);
    assert!(gate.status("/readyz").1.contains("the users file cannot be read; the log says why\n"));
    std::fs::create_dir(&file).unwrap();
    gate.log_line("a directory, not a file");
    assert_eq!(status(&gate, AS_ANNA), 200);
    std::fs::remove_dir(&file).unwrap();
    std::fs::write(&file, BEN).unwrap();
    becomes(&gate, &as_user("ben", "secret"), 200);
    assert_eq!(status(&gate, AS_ANNA), 401);
    assert!(gate.status("/readyz").1.contains("reload: ok\n"));
}

/// A configuration that names a users file which is still to come: it holds when that comes, and until then the old file
/// goes on being watched.
#[test]
fn a_configuration_waits_for_its_users_file_and_the_old_one_still_counts() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).users(&format!("{ANNA}{BEN}")).with_status().start();
    let new = gate.dir().join("new-users");
    let file = gate.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    let old = gate.users_file();
    let text = text.replace(old.to_str().unwrap(), new.to_str().unwrap());
    std::fs::write(&file, format!("{text}\nauth.realm = \"Other\"\n")).unwrap();
    reload(&gate);
    gate.log_line("new-users does not exist");
    assert_eq!(status(&gate, AS_ANNA), 200);
    std::fs::write(&old, ANNA).unwrap();
    becomes(&gate, &as_user("ben", "secret"), 401);
    assert!(gate.status("/readyz").1.contains("reload: degraded"));
    assert!(gate.connect().request("GET /messages", "").field("www-authenticate").unwrap().contains("Restricted"));

    std::fs::write(&new, BEN).unwrap();
    becomes(&gate, &as_user("ben", "secret"), 200);
    assert_eq!(status(&gate, AS_ANNA), 401);
    assert!(gate.connect().request("GET /messages", "").field("www-authenticate").unwrap().contains("Other"));
    assert!(gate.status("/readyz").1.contains("reload: ok\n"));
    // The old file is nobody's any more.
    std::fs::write(&old, "").unwrap();
    std::fs::write(&new, format!("{ANNA}{BEN}")).unwrap();
    becomes(&gate, AS_ANNA, 200);
}

/// A new users file that is there and cannot be read must not keep anybody from looking at the old one; and what waited for
/// it is not taken any more when something else has been written since.
#[test]
fn whoever_is_removed_goes_while_a_configuration_waits_for_a_file_that_cannot_be_read() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).users(&format!("{ANNA}{BEN}")).with_status().start();
    let new = gate.dir().join("new-users");
    std::fs::create_dir(&new).unwrap();
    let file = gate.config_file();
    let before = std::fs::read_to_string(&file).unwrap();
    let old = gate.users_file();
    std::fs::write(&file, before.replace(old.to_str().unwrap(), new.to_str().unwrap())).unwrap();
    reload(&gate);
    gate.log_line("a directory, not a file");
    std::fs::write(&old, ANNA).unwrap();
    becomes(&gate, &as_user("ben", "secret"), 401);

    std::fs::write(&file, "nonsense").unwrap();
    reload(&gate);
    std::fs::remove_dir(&new).unwrap();
    std::fs::write(&new, BEN).unwrap();
    // Long enough for it to be taken, if it were: another change of the old file is.
    std::fs::write(&old, format!("{ANNA}# again\n{BEN_OTHER}")).unwrap();
    becomes(&gate, &as_user("ben", "other"), 200);
    assert_eq!((status(&gate, AS_ANNA), status(&gate, &as_user("ben", "secret"))), (200, 401));
}

#[test]
fn an_empty_users_file_is_the_truth_and_nobody_is_sent_to_the_gate() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).with_status().config("health_path = \"/healthz\"").start();
    assert_eq!(gate.connect().request("GET /healthz", "").status, 200);
    std::fs::write(gate.users_file(), "").unwrap();
    becomes(&gate, AS_ANNA, 401);
    let (code, told) = gate.status("/readyz");
    assert_eq!((code, told.lines().next()), (503, Some("no users")));
    let answer = gate.connect().request("GET /healthz", "");
    assert_eq!((answer.status, answer.text().as_str()), (503, "no users\n"));
    assert_eq!(gate.status("/livez").0, 200);
    std::fs::write(gate.users_file(), ANNA).unwrap();
    becomes(&gate, AS_ANNA, 200);
    assert_eq!(gate.status("/readyz").0, 200);
}

#[test]
fn a_file_that_nobody_named_is_watched_for() {
    let catcher = catcher();
    // The default path is the machine's own; a configuration that names the same path counts as the default.
    let gate = Gate::to(catcher.http_addr()).users("").start();
    assert_eq!(status(&gate, AS_ANNA), 401);
    std::fs::write(gate.users_file(), ANNA).unwrap();
    becomes(&gate, AS_ANNA, 200);
}

#[test]
fn refused_lines_do_not_make_a_reload_bad() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).with_status().start();
    std::fs::write(gate.users_file(), format!("{ANNA}nonsense\nben:$nothing$x\n")).unwrap();
    gate.log_line("htpasswd:2: no colon");
    gate.log_line("htpasswd:3: user ben:");
    assert_eq!(status(&gate, AS_ANNA), 200);
    assert!(gate.status("/readyz").1.contains("reload: ok\n"));
    assert_eq!(gate.metric("mailwarden_users_file_refused_lines"), Some(2.0));
}

// --- tunnels

#[test]
fn whoever_is_removed_or_gets_another_password_loses_his_sockets_and_nobody_else_does() {
    let catcher = catcher();
    let ben = as_user("ben", "secret");
    for new in [ANNA.to_owned(), format!("{ANNA}{BEN_OTHER}")] {
        let gate = Gate::to(catcher.http_addr()).users(&format!("{ANNA}{BEN}")).with_status().start();
        let mut hers = open_as(&gate, AS_ANNA);
        let mut his = open_as(&gate, &ben);
        eventually("both to be listed", || (gate.metric("mailwarden_tunnels") == Some(2.0)).then_some(()));
        std::fs::write(gate.users_file(), new).unwrap();
        assert_eq!(next(&mut his), (0x88, 1008u16.to_be_bytes().to_vec()));
        assert!(his.is_ended());
        catcher.deliver(Mail::new("hers"));
        assert!(String::from_utf8(next(&mut hers).1).unwrap().contains("hers"));
        eventually("his to be off the list", || (gate.metric("mailwarden_tunnels") == Some(1.0)).then_some(()));
        assert_eq!(gate.metric("mailwarden_tunnels_revoked_total"), Some(1.0));
    }
}

#[test]
fn whoever_loses_view_loses_his_sockets() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).users(&format!("{ANNA}{BEN}")).with_status().start();
    let mut hers = open_as(&gate, AS_ANNA);
    let mut his = open_as(&gate, &as_user("ben", "secret"));
    write_config(&gate, "access.users = { ben = [\"delete\"] }");
    reload(&gate);
    assert_eq!(next(&mut his), (0x88, 1008u16.to_be_bytes().to_vec()));
    // Losing what a socket does not take ends none.
    write_config(&gate, "access.default = [\"view\"]");
    reload(&gate);
    catcher.deliver(Mail::new("hers"));
    assert!(String::from_utf8(next(&mut hers).1).unwrap().contains("hers"));
}

/// The request is permitted by the old users, and the catcher answers it when the new ones hold.
#[test]
fn a_socket_that_opens_while_its_user_is_removed_does_not_stay() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = Gate::to(upstream.local_addr().unwrap()).users(&format!("{ANNA}{BEN}")).with_status().start();
    let mut client = gate.connect();
    client.send(format!("GET /messages HTTP/1.1\r\nHost: a\r\n{}{HANDSHAKE}\r\n", as_user("ben", "secret")));
    let mut far = Client::accept(&upstream);
    far.head();
    std::fs::write(gate.users_file(), ANNA).unwrap();
    gate.log_line("reloaded");
    far.send(SWITCHED);
    assert_eq!(client.answer().status, 101);
    assert_eq!(next(&mut client), (0x88, 1008u16.to_be_bytes().to_vec()));
}

#[test]
fn an_event_stream_ends_with_its_users_line_and_at_a_stop() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut gate = Gate::to(upstream.local_addr().unwrap())
        .users(&format!("{ANNA}{BEN}"))
        .config("upstream.catcher = \"generic\"\ntimeouts.stop = \"60s\"")
        .with_status()
        .start();
    let stream = |credentials: &str| {
        let mut client = gate.connect();
        client.send(format!("GET /events HTTP/1.1\r\nHost: a\r\n{credentials}\r\n"));
        let mut far = Client::accept(&upstream);
        far.head();
        far.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n");
        client.head();
        assert_eq!(client.read(14), b"9\r\ndata: 1\n\n\r\n");
        (client, far)
    };
    let (mut hers, mut her_far) = stream(AS_ANNA);
    let (mut his, mut his_far) = stream(&as_user("ben", "secret"));
    std::fs::write(gate.users_file(), ANNA).unwrap();
    // A clean end, at which a page comes back by itself and is asked for a password.
    assert_eq!(his.read(5), b"0\r\n\r\n");
    assert!(his_far.is_ended(), "the catcher is left as well");
    her_far.send("9\r\ndata: 2\n\n\r\n");
    assert_eq!(hers.read(14), b"9\r\ndata: 2\n\n\r\n");
    let begun = Instant::now();
    gate.signal("TERM");
    assert_eq!(hers.read(5), b"0\r\n\r\n");
    assert_eq!(gate.wait().code(), Some(0));
    assert!(begun.elapsed() < PATIENCE / 2);
}
