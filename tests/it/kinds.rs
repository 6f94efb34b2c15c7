//! Mailpit and MailHog, which no test can install: doubles made from their documentation.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use crate::support::gate::{AS_ANNA, Gate};
use crate::support::kind::{AS_BEN, Kind};
use crate::support::patience::eventually;
use crate::support::pit_and_hog::{Dialect, Double};

const MAILPIT: Kind = Kind {
    name: "mailpit",
    list: "/api/v1/messages",
    messages: |list| list["messages"].as_array().unwrap().clone(),
    id: "ID",
    subject: |message| message["Subject"].as_str().unwrap().to_owned(),
    delete: |id| ("DELETE /api/v1/messages".to_owned(), format!("{{\"IDs\":[\"{id}\"]}}")),
    clear: "DELETE /api/v1/messages",
};

const MAILHOG: Kind = Kind {
    name: "mailhog",
    list: "/api/v2/messages",
    messages: |list| list["items"].as_array().unwrap().clone(),
    id: "ID",
    subject: |message| message["Content"]["Headers"]["Subject"][0].as_str().unwrap().to_owned(),
    delete: |id| (format!("DELETE /api/v1/messages/{id}"), String::new()),
    clear: "DELETE /api/v1/messages",
};

const BOTH: [(Kind, Dialect); 2] = [(MAILPIT, Dialect::Mailpit), (MAILHOG, Dialect::MailHog)];

#[test]
fn their_pages_load() {
    for (kind, dialect) in BOTH {
        kind.its_page_loads(Double::start(dialect).addr);
    }
}

#[test]
fn deleting_and_clearing_take_their_permissions() {
    for (kind, dialect) in BOTH {
        let double = Double::start(dialect);
        kind.deleting_and_clearing_take_their_permissions(double.addr, &|subject| double.deliver(subject));
    }
}

#[test]
fn a_purge_leaves_the_newest() {
    for (kind, dialect) in BOTH {
        let double = Double::start(dialect);
        kind.a_purge_leaves_the_newest(double.addr, &|subject| double.deliver(subject));
    }
}

#[test]
fn auto_recognises_them() {
    for (kind, dialect) in BOTH {
        kind.auto_recognises_it(Double::start(dialect).addr);
    }
}

#[test]
fn a_deletion_that_could_be_of_everything_never_reaches_mailpit_for_who_may_only_delete() {
    let double = Double::start(Dialect::Mailpit);
    let gate = MAILPIT.gate(double.addr);
    double.deliver("a");
    let delete = |fields: &str, body: &str| {
        let mut client = gate.connect();
        let length = body.len();
        client.send(format!(
            "DELETE /api/v1/messages HTTP/1.1\r\nHost: dev.test:8080\r\n{AS_BEN}{fields}Content-Length: {length}\r\n\r\n{body}"
        ));
        client.answer().status
    };
    for everything in ["", "{}", "{\"IDs\":[]}"] {
        assert_eq!(delete("", everything), 403, "{everything}");
    }
    for unclear in ["{\"IDs\":[\"xa-0\"],\"ids\":[]}", "{\"IDs\":[\"xa-0\"],\"IDs\":[]}", "{\"IDs\":[\"\"]}", "x"] {
        assert_eq!(delete("", unclear), 400, "{unclear}");
    }
    assert_eq!(delete("Content-Encoding: gzip\r\n", "{\"IDs\":[\"xa-0\"]}"), 400);
    assert!(double.requests().iter().all(|(line, _)| !line.starts_with("DELETE")), "{:?}", double.requests());
    assert_eq!(delete("", " {\"ids\": [\"xb-1\", \"xb-1\"]} "), 200);
    let (_, body) = double.requests().into_iter().find(|(line, _)| line.starts_with("DELETE")).unwrap();
    assert_eq!(body, "{\"IDs\":[\"xb-1\"]}", "written anew");
    assert_eq!(MAILPIT.subjects(&gate), ["a"]);
}

#[test]
fn of_what_is_not_recognised_nothing_is_asked_but_what_it_is() {
    let double = Double::start(Dialect::Mailpit);
    // Below a prefix that it does not have it is no catcher.
    let gate = Gate::to_url(format!("http://{}/elsewhere", double.addr)).config("upstream.catcher = \"auto\"").start();
    for request in ["GET /elsewhere/", "DELETE /elsewhere/api/v1/messages", "GET /elsewhere/messages"] {
        let answer = gate.connect().request(request, AS_ANNA);
        assert_eq!(answer.status, 502, "{request}");
        assert!(answer.text().contains("upstream.catcher"), "{}", answer.text());
    }
    assert_eq!(gate.connect().request("GET /elsewhere/", "").status, 401);
    assert!(double.requests().iter().all(|(line, _)| line == "GET /elsewhere/"), "{:?}", double.requests());
}

#[test]
fn a_catcher_that_comes_up_later_is_recognised_then_and_another_in_its_place_too() {
    // Bound and not listening: nobody else gets the port, and a double can.
    let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    held.set_reuse_address(true).unwrap();
    held.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let addr = held.local_addr().unwrap().as_socket().unwrap();
    let gate = Gate::to(addr).config("upstream.catcher = \"auto\"").start();
    let status = |path: &str| gate.connect().request(&format!("GET {path}"), AS_ANNA).status;
    assert_eq!(status("/api/v1/messages"), 502);
    let double = Double::start_at(Dialect::Mailpit, addr);
    eventually("mailpit", || (status("/api/v1/messages") == 200).then_some(()));
    gate.log_line("catcher=mailpit");
    assert_eq!(status("/api/v2/messages"), 404, "what mailpit does not have is not asked for");
    double.turn_into(Dialect::MailHog);
    gate.log_line("catcher=mailhog");
    assert_eq!(status("/api/v2/messages"), 200);
}
