//! What holds for every kind of catcher that has a name, told apart by where its things are.

#![allow(dead_code, reason = "several test binaries include this module and none uses all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop, and say why"
)]

use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::Value;

use super::gate::{ANNA, AS_ANNA, Gate, binary};
use super::patience::eventually;

/// The header line of `ben`, who may delete but not clear.
pub(crate) const AS_BEN: &str = "Authorization: Basic YmVuOnNlY3JldA==\r\n";

/// A kind of catcher.
pub(crate) struct Kind {
    /// Its name in the configuration.
    pub(crate) name: &'static str,
    /// Its list.
    pub(crate) list: &'static str,
    /// The messages in its list.
    pub(crate) messages: fn(&Value) -> Vec<Value>,
    /// The id and the subject of one.
    pub(crate) id: &'static str,
    pub(crate) subject: fn(&Value) -> String,
    /// The request that deletes one, and its body.
    pub(crate) delete: fn(&str) -> (String, String),
    /// The request that deletes all.
    pub(crate) clear: &'static str,
}

impl Kind {
    /// A gate before one that runs at `http`.
    pub(crate) fn gate(&self, http: SocketAddr) -> Gate {
        let config = format!("upstream.catcher = {:?}\naccess.users = {{ ben = [\"view\", \"delete\"] }}", self.name);
        let ben = ANNA.replace("anna", "ben");
        Gate::to(http).config(&config).users(&format!("{ANNA}{ben}")).start()
    }

    fn listed(&self, gate: &Gate) -> Vec<(String, String)> {
        let answer = gate.connect().request(&format!("GET {}", self.list), AS_ANNA);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let list = (self.messages)(&serde_json::from_slice(&answer.body).unwrap());
        let id = |message: &Value| match &message[self.id] {
            Value::String(id) => id.clone(),
            other => other.to_string(),
        };
        let mut listed: Vec<_> = list.iter().map(|message| ((self.subject)(message), id(message))).collect();
        listed.sort();
        listed
    }

    /// The subjects that are there, in the order of the alphabet.
    pub(crate) fn subjects(&self, gate: &Gate) -> Vec<String> {
        self.listed(gate).into_iter().map(|(subject, _)| subject).collect()
    }

    /// Waits for these subjects.
    pub(crate) fn wait_for(&self, gate: &Gate, subjects: &[&str]) {
        eventually(&format!("{subjects:?}"), || (self.subjects(gate) == subjects).then_some(()));
    }

    /// The page and everything that it names load, with a login only, and nobody else frames the page.
    pub(crate) fn its_page_loads(&self, http: SocketAddr) {
        let gate = self.gate(http);
        let browser = format!("{AS_ANNA}Accept: text/html\r\n");
        assert_eq!(gate.connect().request("GET /", "Accept: text/html\r\n").status, 401);
        assert_eq!(gate.connect().request(&format!("GET {}", self.list), "").status, 401);
        let page = gate.connect().request("GET /", &browser);
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(page.all("content-security-policy").join(" ").contains("frame-ancestors 'self'"), "{}", page.head);
        let text = page.text();
        let mut loaded = 0;
        for piece in text.split(&['<', '>']).filter(|tag| tag.starts_with("script") || tag.starts_with("link")) {
            let Some(rest) = piece.split_once("src=\"").or(piece.split_once("href=\"")) else { continue };
            let name = rest.1.split('"').next().unwrap();
            if name.contains(':') || name.starts_with("//") {
                continue;
            }
            let path = format!("/{}", name.trim_start_matches("./").trim_start_matches('/'));
            let answer = gate.connect().request(&format!("GET {path}"), AS_ANNA);
            // MailDev 3 names an icon that it does not have.
            assert!(answer.status == 200 || path == "/maildev-icon.svg", "{path}: {}", answer.status);
            loaded += 1;
        }
        assert!(loaded > 0, "{text}");
        for request in ["POST /", "GET /no/such/thing", "DELETE /no/such/thing"] {
            assert!(matches!(gate.connect().request(request, AS_ANNA).status, 404 | 405), "{request}");
        }
    }

    /// Who may delete deletes one, and who may clear clears.
    pub(crate) fn deleting_and_clearing_take_their_permissions(&self, http: SocketAddr, send: &dyn Fn(&str)) {
        let gate = self.gate(http);
        for subject in ["a", "b", "c"] {
            send(subject);
        }
        self.wait_for(&gate, &["a", "b", "c"]);
        let cleared = gate.connect().request(self.clear, AS_BEN);
        assert_eq!(cleared.status, 403, "{}", cleared.text());
        let id = self.listed(&gate).into_iter().find(|(subject, _)| subject == "b").unwrap().1;
        let (line, body) = (self.delete)(&id);
        // As fetch sends it, whether there is something to say or not.
        let json = "Content-Type: application/json\r\n";
        let body = if body.is_empty() { "{}".to_owned() } else { body };
        let fields = format!("{AS_BEN}{json}Content-Length: {}\r\n\r\n{body}", body.len());
        let mut client = gate.connect();
        client.send(format!("{line} HTTP/1.1\r\nHost: dev.test:8080\r\n{fields}"));
        let deleted = client.answer();
        assert!(matches!(deleted.status, 200 | 204), "{line}: {} {}", deleted.status, deleted.text());
        self.wait_for(&gate, &["a", "c"]);
        let cleared = gate.connect().request(self.clear, AS_ANNA);
        assert!(matches!(cleared.status, 200 | 204), "{}", cleared.text());
        self.wait_for(&gate, &[]);
    }

    /// `purge --max-messages` leaves the newest, and `auto` does as well.
    pub(crate) fn a_purge_leaves_the_newest(&self, http: SocketAddr, send: &dyn Fn(&str)) {
        let gate = self.gate(http);
        for subjects in [["a", "b", "c", "d"], ["e", "f", "g", "h"]] {
            let catcher = if subjects[0] == "a" { self.name } else { "auto" };
            let before = self.subjects(&gate);
            for (sent, subject) in subjects.iter().enumerate() {
                send(subject);
                // Ids that are names have no order, and a catcher takes mails side by side: one is there before the next.
                eventually("the mail", || (self.subjects(&gate).len() == before.len() + sent + 1).then_some(()));
            }
            let dir = tempfile::tempdir().unwrap();
            let config = dir.path().join("m.toml");
            let text = format!(
                "upstream.url = \"http://{http}\"\nupstream.catcher = {catcher:?}\npurge.min_age = \"0s\"\nstate_dir = {:?}\n",
                dir.path().join("state")
            );
            std::fs::write(&config, text).unwrap();
            let mut purge = binary();
            purge.args(["purge", "--max-messages", "2", "--config"]).arg(&config).stdin(Stdio::null());
            let done = purge.output().unwrap();
            let told = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success(), "{told}");
            self.wait_for(&gate, &subjects[2..]);
        }
    }

    /// `auto` finds out what it is.
    pub(crate) fn auto_recognises_it(&self, http: SocketAddr) {
        let gate = Gate::to(http).config("upstream.catcher = \"auto\"").start();
        let answer = gate.connect().request(&format!("GET {}", self.list), AS_ANNA);
        assert_eq!(answer.status, 200, "{}", answer.text());
        gate.log_line(&format!("catcher={}", self.name));
    }
}
