//! Many tabs of many people through all kinds of trouble: every mail is shown in each of them, and soon.
//!
//! The short form runs with all tests: each trouble once. `MANY_SECONDS=3600 MANY_TABS=200 MANY_USERS=60` makes it an hour
//! of sixty people.
//!
//! How soon is measured from before SMTP's 250 to the row in the page, over all mails that came when all was well. All tabs
//! and everything else share this machine, and where it has too little for them they wait for it, not for the gate. So each
//! tab notes when a timer of its own is late, and that time is taken off; the time that catcher, gate and network wait is
//! not. What a tab may be busy with itself is bounded elsewhere: `live.rs` has no task of the script's over 100 ms. The
//! figures without anything taken off are printed beside it, and how long an empty page stood still.

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
use crate::support::smtp_client::send_timed;

/// How often a mail comes.
const PACE: Duration = Duration::from_millis(200);
/// For how long all is well between two troubles.
const WELL: Duration = Duration::from_millis(1800);
/// So long before a trouble all has to have been well for a mail that may not be late: else it could be on its way still.
const BEFORE: Duration = Duration::from_millis(800);
/// For how long no mail comes before the catcher loses all it has.
const BEFORE_LOSS: Duration = Duration::from_secs(2);
/// How soon a mail has to be shown when all is well, for 99 of 100, in ms.
const SOON: f64 = 1000.0;
/// The gate says each 2 s that it is there, so that pages doubt a silent socket after 5 s and not after 75 s.
const CONFIG: &str = r#"timeouts.ping = "1s""#;

/// Makes something go wrong.
type Trouble = fn(&mut Stage);

/// What goes wrong, and how long after it a mail may come late. After some nobody's mail may.
const TROUBLES: [(Trouble, Duration); 7] = [
    (|stage| stage.catcher.cut_sockets(), Duration::from_secs(4)),
    (Stage::stall, Duration::ZERO),
    (|stage| stage.gate.as_ref().unwrap().signal("HUP"), Duration::ZERO),
    (|stage| stage.network.cut(), Duration::from_secs(4)),
    (Stage::restart_the_gate, Duration::from_secs(4)),
    // They look each 5 s, and then a browser may ask on up to six connections that are dead, a second on each.
    (|stage| stage.network.silence(), Duration::from_secs(18)),
    (Stage::restart_the_catcher, Duration::from_secs(4)),
];

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name)
        .map_or(usual, |value| value.parse().unwrap_or_else(|_| panic!("{name}: {value:?} is no number")))
}

/// What the browser found; times in ms since 1970.
#[derive(Deserialize)]
struct Found {
    tabs: Vec<Tab>,
    /// When the empty page stood still.
    idle: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
struct Tab {
    /// When a mail's row was there, by its subject.
    seen: HashMap<String, f64>,
    stills: Vec<(f64, f64)>,
}

impl Tab {
    /// For how long between two moments it stood still.
    fn still(&self, from: f64, to: f64) -> f64 {
        self.stills.iter().map(|(began, ended)| (ended.min(to) - began.max(from)).max(0.0)).sum()
    }
}

struct Sent {
    subject: String,
    /// In ms since 1970.
    at: f64,
    /// Whether all was well then.
    well: bool,
}

/// In ms.
fn since_1970(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0
}

struct Stage {
    catcher: Catcher,
    gate: Option<Gate>,
    network: Network,
    users: usize,
    /// Until when a mail may come late.
    troubled: Instant,
    sent: Vec<Sent>,
    stalled: Vec<Client>,
}

impl Stage {
    fn gate(catcher: &Catcher, users: usize) -> Gate {
        let hash = ANNA.trim_start_matches("anna");
        let lines: String = (0..users).map(|user| format!("user{user}{hash}")).collect();
        Gate::to(catcher.http_addr()).users(&format!("{ANNA}{lines}")).config(CONFIG).start()
    }

    /// Mail at a steady pace for so long.
    fn send_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            let subject = format!("n-{}", self.sent.len());
            let well = Instant::now() > self.troubled;
            let at = send_timed(self.catcher.smtp_addr(), &subject, "hello");
            self.sent.push(Sent { subject, at: since_1970(at), well });
            std::thread::sleep(PACE); // it is the pace of the load, and waits for nothing
        }
    }

    /// From now on mail may come late, and so may what came a moment ago.
    fn trouble_comes(&mut self) {
        let before = since_1970(SystemTime::now() - BEFORE);
        self.sent.iter_mut().rev().take_while(|mail| mail.at > before).for_each(|mail| mail.well = false);
        self.troubled = Instant::now() + Duration::from_secs(3600);
    }

    fn restart_the_gate(&mut self) {
        self.network.lead_to(None);
        let mut old = self.gate.take().unwrap();
        old.signal("TERM");
        // Mail comes meanwhile.
        self.send_for(PACE * 3);
        assert!(old.wait().success());
        let new = Self::gate(&self.catcher, self.users);
        self.network.lead_to(Some(new.addr()));
        self.gate = Some(new);
    }

    fn restart_the_catcher(&mut self) {
        // What is lost cannot be shown any more by whoever was away.
        std::thread::sleep(BEFORE_LOSS);
        self.catcher.restart();
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

/// How late rows came, in ms, in order.
struct Late(Vec<f64>);

impl Late {
    fn of(late: impl Iterator<Item = f64>) -> Self {
        let mut all: Vec<f64> = late.collect();
        all.sort_by(f64::total_cmp);
        Self(all)
    }

    fn at(&self, part: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * part) as usize].round()
    }
}

impl std::fmt::Display for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [p50, p90, p99, last] = [0.5, 0.9, 0.99, 1.0].map(|part| self.at(part));
        write!(f, "{} rows, p50 {p50} ms, p90 {p90} ms, p99 {p99} ms, last {last} ms", self.0.len())
    }
}

#[test]
fn every_tab_of_many_shows_every_mail_and_soon_whatever_happens() {
    tool("playwright/node_modules/playwright-core/package.json");
    let (seconds, tabs, users) = (number("MANY_SECONDS", 0), number("MANY_TABS", 20), number("MANY_USERS", 5));
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
    let troubled = Instant::now();
    let mut stage =
        Stage { catcher, gate: Some(gate), network, users, troubled, sent: Vec::new(), stalled: Vec::new() };
    script.next("all tabs are open").expect("it opens the tabs");
    // One of the tabs stands still at first.
    stage.troubled = Instant::now() + Duration::from_secs(4);
    let until = Instant::now() + Duration::from_secs(seconds as u64);
    stage.send_for(Duration::from_secs(4));
    loop {
        for (trouble, late) in TROUBLES {
            stage.send_for(WELL);
            if late.is_zero() {
                trouble(&mut stage);
                continue;
            }
            stage.trouble_comes();
            trouble(&mut stage);
            stage.troubled = Instant::now() + late;
            stage.send_for(late);
        }
        stage.send_for(WELL);
        if Instant::now() >= until {
            break;
        }
    }
    stage.catcher.deliver(Mail::new("the end"));
    while script.next("").is_some() {}
    let status = script.wait();
    assert!(status.success(), "{status}; what it found is below");

    let Found { tabs, idle } = serde_json::from_slice(&std::fs::read(found).unwrap()).unwrap();
    let missing = |tab: &Tab| stage.sent.iter().filter(|mail| !tab.seen.contains_key(&mail.subject)).count();
    let not_shown: usize = tabs.iter().map(missing).sum();
    let late = |in_all: bool, take_off: bool| {
        let mails = stage.sent.iter().filter(|mail| mail.well || in_all);
        Late::of(mails.flat_map(|mail| {
            let seen = tabs.iter().filter_map(|tab| Some((tab, *tab.seen.get(&mail.subject)?)));
            seen.map(|(tab, seen)| seen - mail.at - if take_off { tab.still(mail.at, seen) } else { 0.0 })
        }))
    };
    let well = late(false, true);
    let kept: f64 = idle.iter().map(|(from, to)| to - from).sum();
    eprintln!(
        "{} mails, {} tabs, not shown: {not_shown}; an empty page stood still {kept} ms",
        stage.sent.len(),
        tabs.len()
    );
    eprintln!("when all was well, while the tab could run: {well}");
    eprintln!("when all was well: {}", late(false, false));
    eprintln!("in all: {}", late(true, false));
    assert_eq!(not_shown, 0);
    assert!(well.at(0.99) < SOON, "{well}");
}
