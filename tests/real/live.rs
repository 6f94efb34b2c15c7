//! The inbox page in Chromium, with the gate's script in it, and everything that parts the two.
//!
//! The script of `tests/browser` says what it wants done in a line `do: …`, and looks at the page for what comes of it.

use std::path::Path;
use std::process::Command;

use crate::network::Network;
use crate::process::{Program, tool, tools};
use crate::support::catcher::{Catcher, Gate as Held, Mail, Options, Script};
use crate::support::gate::{ANNA, Gate};
use crate::support::raw::Client;

/// `htpasswd -nbs ben secret`
const BEN: &str = "ben:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

/// `htpasswd -nbs carl secret`
const CARL: &str = "carl:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
const AS_CARL: &str = "Authorization: Basic Y2FybDpzZWNyZXQ=\r\n";

/// Who may only look.
const ACCESS: &str = r#"access.users = { ben = ["view"], anna = ["view", "delete", "clear", "quit"] }"#;

/// Between two of these stands what is purged.
const PURGE: &str = "# ---\n";

/// A catcher, the gate, and the network before it.
struct World {
    catcher: Catcher,
    gate: Option<Gate>,
    network: Network,
    config: String,
    /// How many sockets the catcher had opened when that was asked for.
    sockets: usize,
    /// Opens when the list that is held may go.
    held: Held,
}

impl World {
    fn with(config: &str) -> Self {
        let catcher = Catcher::start(Options::default());
        let config = format!("{ACCESS}\n{config}\n{PURGE}{PURGE}");
        let gate = gate(&catcher, &config);
        let network = Network::to(gate.addr());
        Self { catcher, gate: Some(gate), network, config, sockets: 0, held: Held::closed() }
    }

    /// Runs a script of `tests/browser` and does what it says, until it has ended well.
    fn run(&mut self, script: &str, args: &[&str]) {
        tool("playwright/node_modules/playwright-core/package.json");
        let mut script = Program::start(
            Command::new("node")
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser").join(script))
                .arg(format!("http://dev.test:{}/", self.network.port()))
                .args(args)
                .arg(Path::new(env!("CARGO_TARGET_TMPDIR")))
                .env("TEST_TOOLS", tools()),
        );
        while let Some(wanted) = script.next("do: ") {
            let (what, subject) = wanted.split_once(": ").unwrap_or((&wanted, ""));
            self.act(what, subject);
        }
        let status = script.wait();
        assert!(status.success(), "{status}; what it found is below");
        for figure in script.said(|line| line.starts_with("3000 removals")) {
            eprintln!("{figure}");
        }
    }

    fn act(&mut self, what: &str, subject: &str) {
        let deliver = || _ = self.catcher.deliver(Mail::new(subject));
        match what {
            "deliver" => deliver(),
            "deliver many" => self.catcher.deliver_many(subject.parse().unwrap()),
            "cut" => {
                self.network.cut();
                deliver();
            }
            "the catcher cuts" => {
                self.catcher.cut_sockets();
                deliver();
            }
            "silence" => {
                self.network.silence();
                deliver();
            }
            "restart the gate" => {
                self.network.lead_to(None);
                let mut old = self.gate.take().unwrap();
                old.signal("TERM");
                assert!(old.wait().success());
                self.catcher.deliver(Mail::new(subject));
                let new = gate(&self.catcher, &self.config);
                self.network.lead_to(Some(new.addr()));
                self.gate = Some(new);
            }
            "restart the catcher" => {
                self.catcher.restart();
                self.catcher.deliver(Mail::new(subject));
            }
            "cut, and fail to list" => {
                for _ in 0..2 {
                    self.catcher.on("GET /messages", Script::reply("500 Internal Server Error", &[], "no"));
                }
                self.network.cut();
                deliver();
            }
            "tell of something new" => self.catcher.send_text_to_sockets(r#"{"type":"some day","id":1}"#),
            "remove all but the newest" => self.remove_all_but_the_newest(),
            "hold the list" => {
                let list = Client::connect(self.catcher.http_addr()).request("GET /messages", "").text();
                let length = list.len();
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
                self.catcher.on("GET /messages", Script::new().hold(&self.held).send(head + &list));
                self.catcher.cut_sockets(); // so the page asks
            }
            "let the list go" => self.held.open(),
            "purge all but the newest" => {
                self.purge("purge.every = \"1s\"\npurge.min_age = \"0s\"\npurge.max_messages = 1")
            }
            "purge no more" => self.purge(""),
            "clear" => {
                let answer = self.gate.as_ref().unwrap().connect().request("DELETE /messages", AS_CARL);
                assert_eq!(answer.status, 204);
            }
            "count the sockets" => self.sockets = self.opened_sockets(),
            "find as many sockets" => assert_eq!(self.opened_sockets(), self.sockets),
            "remove" => {
                let answer =
                    Client::connect(self.catcher.http_addr()).request(&format!("DELETE /messages/{subject}"), "");
                assert_eq!(answer.status, 204);
            }
            "remove anna" => {
                std::fs::write(self.gate.as_ref().unwrap().users_file(), BEN).unwrap();
                self.gate.as_ref().unwrap().signal("HUP");
            }
            _ => panic!("the script wants {what:?} done"),
        }
    }

    /// What is purged from now on.
    fn purge(&self, keys: &str) {
        let gate = self.gate.as_ref().unwrap();
        let now = std::fs::read_to_string(gate.config_file()).unwrap();
        let (before, after) = now.split_once(PURGE).unwrap();
        let after = after.split_once(PURGE).unwrap().1;
        std::fs::write(gate.config_file(), format!("{before}{PURGE}{keys}\n{PURGE}{after}")).unwrap();
        let was = now.contains("purge.every");
        gate.signal("HUP");
        if !keys.is_empty() {
            gate.log_line("every 1s: ");
        } else if was {
            gate.log_line("nothing is purged any more");
        }
    }

    /// How many sockets the catcher was asked for until now.
    fn opened_sockets(&self) -> usize {
        self.catcher.requests().iter().filter(|asked| !asked.values("upgrade").is_empty()).count()
    }

    /// One by one, from the oldest on, as fast as the catcher can: a purge, but not the gate's own.
    fn remove_all_but_the_newest(&self) {
        let mut ids = self.catcher.message_ids();
        ids.pop();
        let mut client = Client::connect(self.catcher.http_addr());
        for id in ids {
            let answer = client.request(&format!("DELETE /messages/{id}"), "");
            assert_eq!(answer.status, 204);
            if answer.field("connection").is_none_or(|value| value != "keep-alive") {
                client = Client::connect(self.catcher.http_addr());
            }
        }
    }
}

fn gate(catcher: &Catcher, config: &str) -> Gate {
    Gate::to(catcher.http_addr()).users(&format!("{ANNA}{BEN}{CARL}")).config(config).start()
}

#[test]
fn a_page_comes_back_from_every_break_and_keeps_what_is_open_in_it() {
    World::with("timeouts.ping = \"4s\"").run("live.mjs", &["comes-back"]);
}

#[test]
fn a_list_that_was_made_before_mail_came_and_went_takes_nothing_back() {
    let mut world = World::with("");
    world.catcher.deliver_many(5);
    world.run("live.mjs", &["stale-list"]);
}

#[test]
fn a_purge_of_3000_messages_neither_stalls_the_page_nor_makes_it_ask() {
    let state = tempfile::tempdir().unwrap();
    let mut world = World::with(&format!("state_dir = {:?}", state.path()));
    world.catcher.deliver_many(3000);
    world.run("live.mjs", &["purge"]);
}

#[test]
fn nor_does_one_that_the_gate_knows_nothing_of() {
    let mut world = World::with("");
    world.catcher.deliver_many(3000);
    world.run("live.mjs", &["purge-elsewhere"]);
}

#[test]
fn nor_does_somebody_who_clears_3000_messages() {
    let mut world = World::with("");
    world.catcher.deliver_many(3000);
    world.run("live.mjs", &["clear"]);
}

#[test]
fn who_clears_much_sees_what_came_meanwhile() {
    let mut world = World::with("");
    world.catcher.deliver_many(1500);
    world.run("live.mjs", &["own-clear"]);
}

#[test]
fn a_quiet_page_keeps_its_socket_for_as_long_as_the_gate_is_there() {
    World::with("timeouts.ping = \"1s\"").run("live.mjs", &["quiet"]);
}

#[test]
fn a_catcher_that_restarts_is_1012_to_the_page_which_comes_back() {
    let mut world = World::with("");
    world.catcher.deliver_many(5);
    world.run("live.mjs", &["restart"]);
}

#[test]
fn a_user_sees_his_name_and_no_button_for_what_he_may_not_do() {
    let mut world = World::with("");
    world.catcher.deliver_many(3);
    world.run("live.mjs", &["permissions"]);
}

#[test]
fn a_session_is_logged_out_from_the_page_and_every_tab_of_it_says_so() {
    let state = tempfile::tempdir().unwrap();
    let mut world = World::with(&format!("auth.login_page = true\nstate_dir = {:?}", state.path()));
    world.catcher.deliver_many(3);
    world.run("live.mjs", &["log-out"]);
}

/// The page's own policy, as it is to be, and one that is stricter.
#[test]
fn the_script_breaks_no_policy_of_the_pages() {
    let mut world = World::with("");
    world.catcher.deliver_many(3);
    let page = Client::connect(world.catcher.http_addr()).request("GET /", "");
    let policy = "script-src 'self'; style-src 'self'; object-src 'none'; base-uri 'self'; frame-src 'self'; \
                  frame-ancestors 'self'; form-action 'self'";
    let fields = [("Content-Type", "text/html;charset=utf-8"), ("Content-Security-Policy", policy)];
    world.catcher.always("GET /", Script::reply("200 OK", &fields, &page.text()));
    world.run("live.mjs", &["policy"]);
}

#[test]
fn to_a_page_that_is_not_known_nothing_happens() {
    let mut world = World::with("");
    world.catcher.deliver_many(3);
    let page = Client::connect(world.catcher.http_addr()).request("GET /", "").text();
    // The gate knows it still, and the script does not.
    let page = page.replace("<nav id=\"messages\">", "<nav id=\"mails\">");
    world.catcher.always("GET /", Script::reply("200 OK", &[("Content-Type", "text/html;charset=utf-8")], &page));
    world.run("live.mjs", &["unknown"]);
}
