//! Many tabs of many people through all kinds of trouble: every mail is shown in each of them, and soon.
//!
//! The short form runs with all tests. `MANY_SECONDS=3600 MANY_TABS=200 MANY_USERS=60` makes it an hour of sixty people.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;

use crate::network::Network;
use crate::process::{Program, tool, tools};
use crate::support::catcher::{Catcher, Mail, Options};
use crate::support::gate::{ANNA, AS_ANNA, Gate};
use crate::support::raw::Client;

/// How often a mail comes.
const PACE: Duration = Duration::from_millis(200);
/// How long after a trouble a mail may come late.
const CALM: Duration = Duration::from_secs(6);
/// From one trouble to the next.
const EVERY: Duration = Duration::from_secs(10);
/// For how long no mail comes before the catcher loses all it has.
const BEFORE_LOSS: Duration = Duration::from_secs(3);
/// How soon a mail has to be shown when all is well, for 99 of 100.
const SOON: f64 = 1000.0;

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name)
        .map_or(usual, |value| value.parse().unwrap_or_else(|_| panic!("{name}: {value:?} is no number")))
}

/// What a tab saw, by the mail's subject.
#[derive(Deserialize)]
struct Tab {
    seen: HashMap<String, Seen>,
}

/// How long after the mail its row was there, in ms, and for how much of that the machine did not let the tab run: that
/// is nobody's fault here. What the script itself may take is another test's matter.
#[derive(Clone, Copy, Deserialize)]
struct Seen {
    after: f64,
    still: f64,
}

struct Stage {
    catcher: Catcher,
    gate: Option<Gate>,
    network: Network,
    users: usize,
    troubled: Option<Instant>,
    /// Every mail that came, and whether all was well then.
    sent: Vec<(String, bool)>,
    stalled: Vec<Client>,
}

impl Stage {
    fn gate(catcher: &Catcher, users: usize) -> Gate {
        let hash = ANNA.trim_start_matches("anna");
        let lines: String = (0..users).map(|user| format!("user{user}{hash}")).collect();
        Gate::to(catcher.http_addr()).users(&format!("{ANNA}{lines}")).start()
    }

    /// Mail at a steady pace for so long.
    fn send_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
            let subject = format!("n-{}-{now}", self.sent.len());
            self.catcher.deliver(Mail::new(&subject));
            self.sent.push((subject, self.troubled.is_none_or(|at| at.elapsed() > CALM)));
            std::thread::sleep(PACE); // it is the pace of the load, and waits for nothing
        }
    }

    fn trouble(&mut self, number: usize) {
        match number % 6 {
            0 => self.catcher.cut_sockets(),
            1 => self.gate.as_ref().unwrap().signal("HUP"),
            2 => self.restart_the_gate(),
            3 => self.network.cut(),
            4 => self.stall(),
            _ => {
                // What is lost cannot be shown any more by whoever was away.
                std::thread::sleep(BEFORE_LOSS);
                self.catcher.restart();
            }
        }
        self.troubled = Some(Instant::now());
    }

    fn restart_the_gate(&mut self) {
        self.network.lead_to(None);
        let mut old = self.gate.take().unwrap();
        old.signal("TERM");
        // Mail comes meanwhile.
        self.troubled = Some(Instant::now());
        self.send_for(PACE * 3);
        assert!(old.wait().success());
        let new = Self::gate(&self.catcher, self.users);
        self.network.lead_to(Some(new.addr()));
        self.gate = Some(new);
    }

    /// Somebody opens a socket and never reads from it.
    fn stall(&mut self) {
        let mut client = self.gate.as_ref().unwrap().connect();
        client.send(format!(
            "GET /messages HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{AS_ANNA}\r\n"
        ));
        self.stalled.push(client);
    }
}

#[test]
fn every_tab_of_many_shows_every_mail_and_soon_whatever_happens() {
    tool("playwright/node_modules/playwright-core/package.json");
    let (seconds, tabs, users) = (number("MANY_SECONDS", 60), number("MANY_TABS", 12), number("MANY_USERS", 4));
    let catcher = Catcher::start(Options::default());
    let gate = Stage::gate(&catcher, users);
    let network = Network::to(gate.addr());
    let found = Path::new(env!("CARGO_TARGET_TMPDIR")).join("many.json");
    let mut script = Program::start(
        Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/many.mjs"))
            .arg(format!("http://dev.test:{}/", network.port()))
            .args([tabs, users, seconds].map(|number| number.to_string()))
            .arg(&found)
            .env("TEST_TOOLS", tools()),
    );
    let mut stage =
        Stage { catcher, gate: Some(gate), network, users, troubled: None, sent: Vec::new(), stalled: Vec::new() };
    script.next("all tabs are open").expect("it opens the tabs");
    // One of the tabs stands still at first.
    stage.troubled = Some(Instant::now());
    let until = Instant::now() + Duration::from_secs(seconds as u64);
    for number in 0.. {
        stage.send_for(EVERY);
        if Instant::now() >= until {
            break;
        }
        stage.trouble(number);
    }
    stage.catcher.deliver(Mail::new("the end"));
    while script.next("").is_some() {}
    let status = script.wait();
    assert!(status.success(), "{status}; what it found is below");

    let tabs: Vec<Tab> = serde_json::from_slice(&std::fs::read(found).unwrap()).unwrap();
    let missing = |tab: &Tab| stage.sent.iter().filter(|(mail, _)| !tab.seen.contains_key(mail)).count();
    let not_shown: usize = tabs.iter().map(missing).sum();
    let late = |only_calm: bool, of: fn(Seen) -> f64| {
        let mails = stage.sent.iter().filter(|(_, calm)| *calm || !only_calm);
        let seen = mails.flat_map(|(mail, _)| tabs.iter().filter_map(|tab| tab.seen.get(mail)));
        let mut all: Vec<f64> = seen.map(|seen| of(*seen)).collect();
        all.sort_by(f64::total_cmp);
        let at = |part: f64| all[((all.len() - 1) as f64 * part) as usize];
        (format!("{} rows, p50 {} ms, p99 {} ms, last {} ms", all.len(), at(0.5), at(0.99), at(1.0)), at(0.99))
    };
    let (calm, p99) = late(true, |seen| seen.after - seen.still);
    eprintln!("{} mails, {} tabs, not shown: {not_shown}", stage.sent.len(), tabs.len());
    eprintln!("when all was well, while the tab could run: {calm}");
    eprintln!("when all was well: {}", late(true, |seen| seen.after).0);
    eprintln!("in all: {}", late(false, |seen| seen.after).0);
    assert_eq!(not_shown, 0);
    assert!(p99 < SOON, "p99 {p99} ms");
}
