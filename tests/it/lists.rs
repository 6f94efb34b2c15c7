//! Lists: asked for at the same moment, and one that fails.

use serde_json::Value;

use crate::support::catcher::{Catcher, Gate as Hold, Mail, Options, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::PATIENCE;
use crate::support::raw::{Answer, Client};
use crate::upgrade::{open, text};

fn list(gate: &Gate) -> Answer {
    gate.connect().request("GET /messages", AS_ANNA)
}

fn send_list(client: &mut Client) {
    client.send(format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n"));
}

/// The ids in a list, in its order.
fn ids(answer: &Answer) -> Vec<i64> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list: Value = serde_json::from_str(&answer.text()).unwrap();
    list.as_array().unwrap().iter().map(|entry| entry["id"].as_i64().unwrap()).collect()
}

/// How many requests for a message's description there were.
fn descriptions(catcher: &Catcher) -> usize {
    catcher.requests().iter().filter(|asked| asked.target.ends_with(".json")).count()
}

#[test]
fn lists_asked_for_while_one_is_on_its_way_are_few_requests_and_each_has_what_came_before_it() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config("workers = 3").start();
    let mut asked = 0;
    for round in 1..=5 {
        let hold = Hold::closed();
        catcher.on("GET /messages", Script::held(&hold));
        let mut first = gate.connect();
        send_list(&mut first);
        let before = catcher.requests().len();
        assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() > asked), "round {round}: {before}");
        let id = catcher.deliver(Mail::new("Fresh"));
        let mut others: Vec<Client> = (0..40).map(|_| gate.connect()).collect();
        others.iter_mut().for_each(send_list);
        // One more answer from another path shows that the gate has read on.
        assert_eq!(gate.connect().request("GET /favicon.ico", AS_ANNA).status, 200);
        hold.open();
        ids(&first.answer());
        for other in &mut others {
            assert!(ids(&other.answer()).contains(&id), "round {round}");
        }
        let lists = catcher.requests().iter().filter(|asked| asked.target == "/messages").count();
        assert!(lists <= 10 * round, "{lists} requests in {round} rounds of 41");
        asked = catcher.requests().len();
    }
}

#[test]
fn an_unlike_request_is_not_answered_with_anothers_list() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let hold = Hold::closed();
    catcher.on("GET /messages", Script::held(&hold));
    let mut first = gate.connect();
    send_list(&mut first);
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 1));
    // MailCatcher's own refusal, at once; HEAD, at once.
    let foreign = format!("{AS_ANNA}Referer: http://evil.test/\r\n");
    assert_eq!(gate.connect().request("GET /messages", &foreign).status, 403);
    let mut head = gate.connect();
    head.send(format!("HEAD /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n"));
    assert!(head.head().starts_with("HTTP/1.1 200"));
    hold.open();
    assert_eq!(first.answer().status, 200);
}

#[test]
fn a_list_is_packed_for_who_takes_gzip_and_not_sent_to_who_has_it() {
    use std::io::Read as _;
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(100);
    let gate = Gate::to(catcher.http_addr()).start();
    let ask = |fields: &str| gate.connect().request("GET /messages", &format!("{AS_ANNA}{fields}"));
    let (plain, packed) = (ask(""), ask("Accept-Encoding: gzip, br\r\n"));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == plain.body && packed.body.len() * 4 < plain.body.len());
    let tag = plain.field("etag").unwrap();
    assert_eq!(packed.field("etag").as_deref(), Some(&*tag));
    let known = format!("If-None-Match: {tag}\r\n");
    let answer = ask(&known);
    assert_eq!(
        (answer.status, answer.body.len(), answer.field("cache-control")),
        (304, 0, plain.field("cache-control"))
    );
    catcher.deliver_many(1);
    assert_eq!(ask(&known).status, 200, "there is a new mail");
}

#[test]
fn a_list_for_several_is_asked_for_without_any_fields_of_theirs() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let hold = Hold::closed();
    catcher.on("GET /messages", Script::held(&hold));
    let mut first = gate.connect();
    send_list(&mut first);
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 1));
    let mut others: Vec<Client> = (0..8).map(|_| gate.connect()).collect();
    others.iter_mut().for_each(send_list);
    assert_eq!(gate.connect().request("GET /favicon.ico", AS_ANNA).status, 200);
    hold.open();
    first.answer();
    others.iter_mut().for_each(|other| assert_eq!(other.answer().status, 200));
    let lists: Vec<_> = catcher.requests().into_iter().filter(|asked| asked.target == "/messages").collect();
    assert_eq!(lists[0].value("x-forwarded-user").as_deref(), Some("anna"));
    let shared: Vec<_> = lists.iter().filter(|asked| asked.values("x-forwarded-user").is_empty()).collect();
    assert!(!shared.is_empty(), "{} lists", lists.len());
    assert!(shared.iter().all(|asked| asked.lines.len() == 1 && asked.value("host").is_some()));
}

#[test]
fn a_list_that_fails_for_one_message_is_served_with_that_message_marked() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let _socket = open(&gate);
    catcher.deliver_many(4);
    let bad = catcher.deliver(Mail::with_broken_subject());
    catcher.deliver_many(3);
    let answer = list(&gate);
    assert_eq!(ids(&answer), (1..=8).collect::<Vec<_>>());
    assert_eq!(answer.field("content-type").unwrap(), "application/json");
    assert_eq!(answer.field("cache-control").unwrap(), "no-store");
    let entries: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(entries[4]["subject"], "[unreadable subject] caf\u{fffd}");
    assert_eq!(entries[4]["sender"], "<alice@example.com>");
    assert_eq!((&entries[3]["subject"], &entries[7]["subject"]), (&"mail 4".into(), &"mail 3".into()));
    // The others' entries are the catcher's own words.
    let own: Vec<&str> = entries[0].as_object().unwrap().keys().map(String::as_str).collect();
    let made: Vec<&str> = entries[4].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(own, made);

    // The page can show it.
    let shown = gate.connect().request(&format!("GET /messages/{bad}.json"), AS_ANNA);
    let shown: Value = serde_json::from_str(&shown.text()).unwrap();
    assert_eq!(
        (&shown["formats"], &shown["attachments"]),
        (&["source", "plain"][..].into(), &Value::Array(Vec::new()))
    );
    assert_eq!((&shown["id"], &shown["type"]), (&bad.into(), &"text/plain".into()));
    let source = gate.connect().request(&format!("GET /messages/{bad}.source"), AS_ANNA);
    assert!(source.text().contains("The list cannot say this."));
    gate.log_line("cannot list a message");
}

#[test]
fn a_description_that_is_too_long_is_made_of_the_source_and_takes_the_list_from_nobody() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let _socket = open(&gate);
    catcher.deliver(Mail::new("First"));
    let subject = "a subject without end\r\n ".repeat(50_000);
    let long = catcher.deliver(Mail::from_source(format!("Subject: {subject}\r\nFrom: a@x\r\n\r\ntext\r\n")));
    let bad = catcher.deliver(Mail::with_broken_subject());
    for _ in 0..2 {
        let answer = list(&gate);
        assert_eq!(ids(&answer), [1, long, bad]);
        assert!(answer.text().len() < 4 << 10, "{} bytes", answer.text().len());
        let entries: Value = serde_json::from_str(&answer.text()).unwrap();
        let subject = entries[1]["subject"].as_str().unwrap();
        assert!(subject.contains("a subject without end a subject") && subject.ends_with('\u{2026}'), "{subject}");
    }
    // Without the bad one the catcher's own is passed on; with another the long one is still known.
    assert_eq!(gate.connect().request(&format!("DELETE /messages/{bad}"), AS_ANNA).status, 204);
    assert!(list(&gate).text().len() > 1 << 20);
    let another = catcher.deliver(Mail::with_broken_subject());
    assert_eq!(ids(&list(&gate)), [1, long, another]);
}

#[test]
fn a_description_that_cannot_be_used_is_made_of_the_source_or_the_message_is_named() {
    const USELESS: [(&str, &str); 4] =
        [("200 OK", "nonsense"), ("200 OK", "{}"), ("403 Forbidden", "no"), ("302 Found", "")];
    for (status, text) in USELESS {
        let catcher = Catcher::start(Options::default());
        let gate = Gate::to(catcher.http_addr()).start();
        let odd = catcher.deliver(Mail::new("Odd"));
        let bad = catcher.deliver(Mail::with_broken_subject());
        catcher.on(&format!("GET /messages/{odd}.json"), Script::reply(status, &[], text));
        let answer = list(&gate);
        assert_eq!(ids(&answer), [odd, bad], "{status} {text}");
        assert!(answer.text().contains("Odd"));
    }
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let odd = catcher.deliver(Mail::new("Odd"));
    catcher.deliver(Mail::with_broken_subject());
    catcher.on(&format!("GET /messages/{odd}.json"), Script::reply("403 Forbidden", &[], "no"));
    catcher.on(&format!("GET /messages/{odd}.source"), Script::reply("410 Gone", &[], ""));
    let answer = list(&gate);
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains(&format!("DELETE /messages/{odd}")), "{}", answer.text());
}

#[test]
fn what_comes_later_is_found_by_asking_for_little_and_the_cure_ends_it() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut socket = open(&gate);
    catcher.deliver_many(100);
    let bad = catcher.deliver(Mail::with_broken_subject());
    assert_eq!(ids(&list(&gate)).len(), 101);
    let before = descriptions(&catcher);
    let another = catcher.deliver(Mail::with_broken_subject());
    let fresh = catcher.deliver(Mail::new("Fresh"));
    assert_eq!(ids(&list(&gate)), (1..=fresh).collect::<Vec<_>>());
    assert!(descriptions(&catcher) - before < 50, "it looked at everything again");
    // Somebody deletes; the socket tells of it.
    assert_eq!(gate.connect().request("DELETE /messages/7", AS_ANNA).status, 204);
    assert!(!ids(&list(&gate)).contains(&7));
    for id in [bad, another] {
        assert_eq!(gate.connect().request(&format!("DELETE /messages/{id}"), AS_ANNA).status, 204);
    }
    let before = descriptions(&catcher);
    assert_eq!(ids(&list(&gate)).len(), 100);
    assert_eq!(descriptions(&catcher), before, "the catcher's own list is passed on");
    // A clear, and everything begins anew.
    assert_eq!(gate.connect().request("DELETE /messages", AS_ANNA).status, 204);
    while text(&mut socket) != r#"{"type":"clear"}"# {}
    catcher.deliver(Mail::with_broken_subject());
    assert_eq!(ids(&list(&gate)), [1]);
}

#[test]
fn a_look_has_its_bounds_and_beyond_them_the_message_and_the_cure_are_named() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    catcher.deliver_many(6000);
    let bad = catcher.deliver(Mail::with_broken_subject());
    let last = catcher.deliver(Mail::new("Last"));
    // Somebody looks at the last one, so its number is known.
    assert_eq!(gate.connect().request(&format!("GET /messages/{last}.json"), AS_ANNA).status, 200);
    for _ in 0..3 {
        let answer = list(&gate);
        assert_eq!(answer.status, 502);
        assert!(answer.text().contains(&format!("DELETE /messages/{bad}")), "{}", answer.text());
    }
    assert!(descriptions(&catcher) <= 5_002, "{}", descriptions(&catcher));
}

#[test]
fn a_list_that_fails_for_another_reason_fails_as_it_is() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    catcher.deliver_many(2);
    catcher.on("GET /messages", Script::reply("500 Internal Server Error", &[], "it is another thing"));
    let answer = list(&gate);
    assert_eq!((answer.status, answer.text().as_str()), (500, "it is another thing"));
    assert_eq!(ids(&list(&gate)), [1, 2]);
}
