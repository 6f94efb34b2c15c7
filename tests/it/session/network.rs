use super::{ELSEWHERE, HERE, pair};
use crate::limits::Net;
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::{Answer, Client};
use crate::upgrade::{HANDSHAKE, next};

const OPEN: &str = "hosts = [\"dev.test\"]\nauth.anonymous_from = [\"127.0.0.0/8\"]";
/// The same behind a proxy that says where clients are.
const BEHIND: &str =
    "hosts = [\"dev.test\"]\nauth.anonymous_from = [\"10.0.0.0/8\"]\ntrusted_proxies = [\"127.0.0.1\"]";

fn get(client: &mut Client, host: &str, fields: &str) -> Answer {
    client.send(format!("GET /messages HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")).answer()
}

#[test]
fn who_comes_from_the_network_may_look_and_with_a_password_do_the_rest() {
    let (catcher, gate) = pair(OPEN);
    catcher.deliver_many(2);
    let ask = |line: &str, fields: &str| gate.connect().request(line, fields);
    assert_eq!(ask("GET /messages", "X-Forwarded-User: root\r\n").status, 401, "that is what a proxy says");
    let read = ask("GET /messages", "Remote-User: root\r\n");
    assert_eq!((read.status, read.field("set-cookie")), (200, None));
    let asked = catcher.requests().pop().unwrap();
    assert_eq!((asked.value("x-forwarded-user"), asked.value("remote-user")), (None, None));
    let line = gate.access_line(|line| line.contains("status=200 auth=anonymous"));
    assert!(!line.contains("user="), "{line}");

    // Asked for a name, for one may be allowed to.
    let refused = ask("DELETE /messages/1", HERE);
    assert_eq!((refused.status, refused.field("www-authenticate").is_some()), (401, true));
    assert_eq!(ask("DELETE /messages/1", AS_ANNA).status, 204);
    assert_eq!(ask("GET /messages", "Authorization: Basic YW5uYTp3cm9uZw==\r\n").status, 401, "a password decides");
}

#[test]
fn what_they_may_do_is_configured() {
    let (catcher, gate) = pair(&format!("{OPEN}\naccess.anonymous = [\"view\", \"delete\"]"));
    catcher.deliver_many(2);
    let delete = |id: u8, fields: &str| gate.connect().request(&format!("DELETE /messages/{id}"), fields).status;
    assert_eq!(delete(1, ELSEWHERE), 403, "another site's page");
    assert_eq!(delete(1, "Sec-Fetch-Site: same-site\r\n"), 403);
    assert_eq!(delete(1, HERE), 204);
    assert_eq!(delete(2, ""), 204, "a program");
    let (_catcher, gate) = pair(&format!("{OPEN}\naccess.anonymous = []"));
    assert_eq!(gate.connect().request("GET /messages", "").status, 401);
}

#[test]
fn another_sites_page_in_a_browser_of_the_network_opens_no_socket() {
    let (_catcher, gate) = pair(OPEN);
    let open = |fields: &str| gate.connect().request("GET /messages", &format!("{HANDSHAKE}{fields}")).status;
    assert_eq!(open(ELSEWHERE), 403);
    assert_eq!(open("Origin: null\r\n"), 403);
    assert_eq!(open(HERE), 101);
    assert_eq!(open(""), 101, "a program");
}

#[test]
fn only_an_address_that_is_surely_the_clients_counts() {
    let (_catcher, gate) = pair(BEHIND);
    let ask = |fields: &str| gate.connect().request("GET /messages", fields).status;
    for (fields, status) in [
        ("X-Forwarded-For: 10.1.2.3\r\n", 200),
        ("X-Forwarded-For: 11.1.2.3\r\n", 401),
        ("X-Forwarded-For: 10.1.2.3, 11.1.2.3\r\n", 401),
        ("X-Forwarded-For: 127.0.0.1\r\n", 401),
        ("", 401),
    ] {
        assert_eq!(ask(fields), status, "{fields}");
    }
    let (_catcher, gate) = pair(OPEN);
    for field in [
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "Via: 1.1 proxy",
        "X-Real-IP: 127.0.0.1",
        "CF-Connecting-IP: 127.0.0.1",
        "X_Forwarded_For: 127.0.0.1",
    ] {
        assert_eq!(gate.connect().request("GET /messages", &format!("{field}\r\n")).status, 401, "{field}");
    }
}

#[test]
fn the_gateway_of_the_gates_own_network_is_nobody() {
    let net = Net::new();
    net.route_by(1);
    let catcher = net.catcher();
    let gate = net.start(&catcher, "hosts = [\"dev.test\"]\nauth.anonymous_from = [\"198.18.0.0/15\"]");
    assert_eq!(net.connect(&gate, 2).request("GET /messages", "").status, 200);
    assert_eq!(net.connect(&gate, 1).request("GET /messages", "").status, 401);
    assert_eq!(net.connect(&gate, 1).request("GET /messages", AS_ANNA).status, 200);
}

#[test]
fn an_own_address_of_this_machine_is_nobodys() {
    let net = Net::new();
    let catcher = net.catcher();
    // On this side of the cable, where all the addresses are the machine's own.
    let gate = Gate::to(catcher.http_addr())
        .listen(&format!("[\"{}:0\"]", net.client(0)))
        .config("hosts = [\"dev.test\"]\nauth.anonymous_from = [\"198.18.0.0/15\"]")
        .start();
    // What hands connections on to the address that it has itself, as a container engine's forwarder does.
    assert_eq!(net.connect(&gate, 0).request("GET /messages", "").status, 401);
    assert_eq!(net.connect(&gate, 0).request("GET /messages", AS_ANNA).status, 200);
    assert_eq!(net.connect(&gate, 1).request("GET /messages", "").status, 200);
}

#[test]
fn with_names_no_other_name_is_answered_whoever_asks() {
    let (catcher, gate) = pair(OPEN);
    for credentials in ["", AS_ANNA] {
        for (host, status) in [
            ("dev.test", 200),
            ("DEV.test:8080", 200),
            ("dev.test.", 200),
            ("localhost:1", 200),
            ("127.0.0.1:8080", 200),
            ("[::1]", 200),
            ("evil.test", 421),
            ("dev.test.evil.test", 421),
            ("127.0.0.1.evil.test", 421),
        ] {
            assert_eq!(get(&mut gate.connect(), host, credentials).status, status, "{host} {credentials}");
        }
        // No browser leaves it out.
        let mut probe = gate.connect();
        assert_eq!(probe.send(format!("GET /messages HTTP/1.0\r\n{credentials}\r\n")).answer().status, 200);
    }
    let refused = get(&mut gate.connect(), "evil.test", "Accept: text/html\r\n");
    assert!(refused.text().contains("&quot;hosts&quot;") && !refused.text().contains("evil"), "{}", refused.text());
    assert!(!catcher.requests().iter().any(|asked| asked.value("host").unwrap().contains("evil")));

    let (_catcher, gate) = pair("");
    assert_eq!(get(&mut gate.connect(), "evil.test", AS_ANNA).status, 200, "without a list any name will do");
}

#[test]
fn a_proxy_that_puts_its_own_name_in_lets_no_other_through() {
    let (_catcher, gate) = pair(BEHIND);
    let ask = |forwarded: &str| {
        let fields = format!("X-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Host: {forwarded}\r\n");
        get(&mut gate.connect(), "127.0.0.1:8080", &fields).status
    };
    assert_eq!(ask("dev.test"), 200);
    assert_eq!(ask("evil.test"), 421);
    assert_eq!(ask("dev.test, evil.test"), 421);
}

#[test]
fn whoever_is_let_in_without_a_login_can_log_in_all_the_same() {
    let state = tempfile::tempdir().unwrap();
    let (_catcher, gate) = pair(&format!("{OPEN}\nauth.login_page = true\nstate_dir = {:?}", state.path()));
    let link = "Accept: text/html\r\n";
    assert_eq!(gate.connect().request("GET /", link).status, 200, "nobody is made to");
    assert!(gate.connect().request("GET /.mailwarden/login", link).text().contains("<form"));
    let refused = gate.connect().request("DELETE /messages", HERE);
    assert!(refused.status == 401 && refused.text().contains("/.mailwarden/login"), "{}", refused.text());
    let body = "user=anna&password=secret";
    let mut client = gate.connect();
    client.send(format!(
        "POST /.mailwarden/login HTTP/1.1\r\nHost: dev.test:8080\r\n{HERE}Content-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    ));
    let session = super::with(&super::cookie(&client.answer()).0);
    assert_eq!(gate.connect().request("DELETE /messages", &format!("{session}{HERE}")).status, 204);
}

#[test]
fn a_reload_that_closes_the_network_ends_its_sockets() {
    let (catcher, gate) = pair(OPEN);
    let mut socket = gate.connect();
    assert_eq!(socket.request("GET /messages", HANDSHAKE).status, 101);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    let config = std::fs::read_to_string(gate.config_file()).unwrap();
    std::fs::write(gate.config_file(), config.replace("127.0.0.0/8", "192.0.2.0/24")).unwrap();
    gate.signal("HUP");
    assert_eq!(next(&mut socket), (0x88, 1008u16.to_be_bytes().to_vec()));
    eventually("the network to be closed", || {
        (gate.connect().request("GET /messages", "").status == 401).then_some(())
    });
}
