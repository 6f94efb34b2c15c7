//! Groups of users, and what they change while people work.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::reload::reload;
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{ANNA, Gate};
use crate::support::raw::Client;
use crate::upgrade::{HANDSHAKE, next};

const NAMES: [&str; 5] = ["anna", "ben", "cleo", "dora", "eva"];

/// Users who all have anna's password.
fn users() -> String {
    NAMES.iter().map(|name| ANNA.replacen("anna", name, 1)).collect()
}

fn as_user(name: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{name}:secret")))
}

fn start(config: &str) -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(9);
    let gate = Gate::to(catcher.http_addr()).users(&users()).config(config).with_status().start();
    (catcher, gate)
}

/// Replaces a part of the configuration, and waits until it holds.
fn change(gate: &Gate, from: &str, to: &str) {
    let text = std::fs::read_to_string(gate.config_file()).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(gate.config_file(), text.replace(from, to)).unwrap();
    reload(gate);
}

fn open(gate: &Gate, user: &str) -> Client {
    let mut client = gate.connect();
    assert_eq!(client.request("GET /messages", &format!("{}{HANDSHAKE}", as_user(user))).status, 101, "{user}");
    client
}

#[test]
fn a_user_may_do_what_any_of_their_groups_may_unless_they_have_their_own_list() {
    let (catcher, gate) = start(
        r#"
        [access]
        default = ["view", "delete"]
        groups = { qa = ["anna", "ben"], ops = ["ben", "cleo"], none = ["dora"] }
        users = { "@qa" = ["view"], "@ops" = ["delete", "clear"], cleo = ["view", "quit"] }
        "#,
    );
    let mut id = 0;
    for (user, view, delete, clear) in [
        ("anna", 200, 403, 403),
        ("ben", 200, 204, 204),
        ("cleo", 200, 403, 403),
        ("dora", 200, 204, 403),
        ("eva", 200, 204, 403),
    ] {
        id += 1;
        let ask = |line: &str| gate.connect().request(line, &as_user(user)).status;
        assert_eq!(ask("GET /messages"), view, "{user}");
        assert_eq!(ask(&format!("DELETE /messages/{id}")), delete, "{user}");
        assert_eq!(ask("DELETE /messages"), clear, "{user}");
        if clear == 204 {
            assert!(catcher.message_ids().is_empty());
            catcher.deliver_many(9);
        }
    }
    assert!(!catcher.has_quit());
}

#[test]
fn who_loses_view_by_a_change_of_groups_loses_the_socket_and_nobody_else() {
    let (catcher, gate) = start(
        "access.groups = { qa = [\"anna\", \"ben\"] }\n\
         access.users = { \"@qa\" = [\"view\"] }\naccess.default = [\"delete\"]",
    );
    let (mut anna, mut ben) = (open(&gate, "anna"), open(&gate, "ben"));
    change(&gate, "[\"anna\", \"ben\"]", "[\"anna\"]");
    let frame = next(&mut ben);
    assert_eq!(frame.1.get(..2), Some(&1008u16.to_be_bytes()[..]), "{frame:?}");
    assert_eq!(gate.connect().request("GET /messages", &as_user("ben")).status, 403);
    catcher.send_text_to_sockets("{\"type\":\"hello\"}");
    assert!(String::from_utf8_lossy(&next(&mut anna).1).contains("hello"));

    change(&gate, "\"@qa\" = [\"view\"]", "\"@qa\" = [\"clear\"]");
    assert_eq!(next(&mut anna).1.get(..2), Some(&1008u16.to_be_bytes()[..]));
    change(&gate, "\"@qa\" = [\"clear\"]", "\"@qa\" = [\"clear\"], anna = [\"view\"]");
    drop(open(&gate, "anna"));
}

#[test]
fn a_group_that_is_misspelt_is_said_and_stops_nothing() {
    let (_catcher, gate) = start("access.groups = { qa = [\"gone\"] }\naccess.users = { \"@qaa\" = [] }");
    assert_eq!(gate.connect().request("GET /messages", &as_user("anna")).status, 200);
    gate.log_line("access.users has a list for a group that access.groups does not have");
}

#[test]
fn the_refusal_says_what_is_missing_what_there_is_and_who_can_grant_it() {
    let (_catcher, gate) =
        start("access.groups = { qa = [\"anna\"] }\naccess.users = { \"@qa\" = [\"view\", \"delete\"] }");
    let ask =
        |line: &str, accept: &str| gate.connect().request(line, &format!("{}Accept: {accept}\r\n", as_user("anna")));
    let page = ask("DELETE /messages", "text/html");
    assert_eq!(page.status, 403);
    for part in ["the permission &quot;clear&quot;", "You have: view, delete.", "Whoever runs this server can grant it"]
    {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    let json: serde_json::Value = serde_json::from_slice(&ask("DELETE /", "application/json").body).unwrap();
    assert_eq!((&json["permission"], &json["error"]), (&"quit".into(), &"permission missing".into()));
    assert!(ask("DELETE /", "text/plain").text().contains("the permission \"quit\""));
}
