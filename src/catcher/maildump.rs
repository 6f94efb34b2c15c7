//! MailDump 1.0, as observed on the real program: MailCatcher's routes below `/messages/`, and events as a stream.
//!
//! Its ids are SQLite's, which come back once the newest is gone. `/messages` without a slash is its own redirect, and is
//! passed on as it is.

use http::Method;
use serde::Deserialize;

use super::fields::{Entries, Entry, Field};
use super::mailbox::{self, Call, Mailbox, Message, MessageId, Page};
use super::routes::{self, Does, Route};
use super::{Action, Asked, Catcher, Format, NoRoute, Operation};
use crate::path::Slashes;

/// The route table of MailDump.
#[derive(Clone, Copy, Debug)]
pub struct MailDump;

const READS: &str = "GET, HEAD";

static ROUTES: &[Route] = &[
    Route::at("/", "GET, HEAD, DELETE", &[Does::read(Operation::App), Does::quit()]),
    Route::at("/static/*", READS, &[Does::read(Operation::Asset)]),
    // A stream, which `Other` is known to be able to be.
    Route::at("/event-stream", READS, &[Does::read(Operation::Other)]),
    Route::at("/messages", "GET, HEAD, DELETE", &[Does::read(Operation::Data), Does::clear()]),
    Route::at("/messages/", "GET, HEAD, DELETE", &[Does::read(Operation::Data), Does::clear()]),
    Route::at("/messages/:number", "DELETE", &[Does::delete()]),
    Route::at("/messages/:number.json", READS, &[Does::read(Operation::Message(Format::Json))]),
    Route::at("/messages/:number.plain", READS, &[Does::read(Operation::Message(Format::Plain))]),
    Route::at("/messages/:number.html", READS, &[Does::read(Operation::Message(Format::Html))]),
    Route::at("/messages/:number.source", READS, &[Does::read(Operation::Message(Format::Source))]),
    Route::at("/messages/:number.eml", READS, &[Does::read(Operation::Message(Format::Eml))]),
    Route::at("/messages/:number/parts/:name", READS, &[Does::read(Operation::Part)]),
];

impl Catcher for MailDump {
    fn slashes(&self) -> Slashes {
        Slashes::Merge
    }

    fn reads_cookies(&self) -> bool {
        false
    }

    fn action(&self, asked: &Asked<'_>, prefix: &str, path: &str) -> Result<Action, NoRoute> {
        routes::find(ROUTES, routes::no_ids, asked, prefix, path)
    }

    fn mailbox(&self) -> Option<&'static dyn Mailbox> {
        Some(&MailDump)
    }

    fn socket(&self) -> Option<&'static str> {
        None
    }
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    messages: Entries<Listed<'a>>,
}

#[derive(Deserialize)]
struct Listed<'a> {
    id: u64,
    #[serde(borrow, default)]
    size: Option<Field<'a>>,
    #[serde(borrow, default)]
    created_at: Option<Field<'a>>,
}

impl Entry for Listed<'_> {
    fn message(self) -> Option<Message> {
        Some(Message {
            id: MessageId::Number(self.id),
            received: Field::time(self.created_at.as_ref()),
            size: Field::size(self.size.as_ref()),
        })
    }
}

impl Mailbox for MailDump {
    fn list(&self, prefix: &str, _start: u64) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/messages/"))
    }

    fn page(&self, _start: u64, body: &[u8]) -> Result<Page, String> {
        let List { messages } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        Ok(Page { messages: messages.messages, next: None })
    }

    fn one(&self, prefix: &str, id: &MessageId) -> Option<Call> {
        Some(mailbox::call(Method::GET, format!("{prefix}/messages/{}.json", mailbox::segment(id))))
    }

    fn message(&self, body: &[u8]) -> Option<Message> {
        serde_json::from_slice::<Listed<'_>>(body).ok().and_then(Listed::message)
    }

    fn delete(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::DELETE, format!("{prefix}/messages/{}", mailbox::segment(id)))
    }

    fn delete_all(&self, prefix: &str) -> Call {
        mailbox::call(Method::DELETE, format!("{prefix}/messages/"))
    }

    fn source(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/messages/{}.eml", mailbox::segment(id)))
    }

    fn reuses_ids(&self) -> bool {
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::super::routes::tests::{holds, is_in_order, refuses, routed};
    use super::*;
    use crate::permission::Permission;

    #[test]
    fn its_routes_are_those_that_were_observed() {
        is_in_order(ROUTES);
        holds(
            &MailDump,
            "GET / App view
             DELETE / Quit quit
             GET /static/maildump.1aeacea7.css Asset view
             GET /event-stream Other view
             GET /messages Data view
             GET /messages/?full=1 Data view -> /messages/
             DELETE /messages/ Clear clear
             DELETE /messages Clear clear
             DELETE /messages/007 Delete delete -> /messages/7
             GET /messages/1.json Message(Json) view
             GET /messages/1.plain Message(Plain) view
             HEAD /messages/1.html Message(Html) view
             GET /messages/1.source Message(Source) view
             GET /messages/1.eml Message(Eml) view
             GET /messages/1/parts/a@b Part view",
        );
    }

    #[test]
    fn what_it_lacks_and_what_could_mean_two_things_is_not_forwarded() {
        refuses(
            &MailDump,
            "POST /messages/
             PUT /
             OPTIONS /messages/
             GET /messages/1
             DELETE /messages/1.json
             DELETE /messages/1abc
             DELETE /messages/%2e%2e%2f
             DELETE /%2F
             DELETE /static/x
             GET /messages/1/parts/a%2Fb
             GET /messages/x.json
             GET /.mailwarden/x
             GET /console",
        );
    }

    #[test]
    fn every_spelling_of_quit_is_quit_and_of_clear_clear() {
        for path in ["/", "//", "/./", "/x/..", "/%2e%2e/", "/messages/.."] {
            assert_eq!(routed(&MailDump, "DELETE", path).unwrap().1, Permission::Quit, "{path}");
        }
        for path in ["/messages/", "//messages//", "/messages/.", "/messages/1/..", "/%6dessages/", "/x/../messages"] {
            assert_eq!(routed(&MailDump, "DELETE", path).unwrap().1, Permission::Clear, "{path}");
        }
    }

    #[test]
    fn its_list_is_read() {
        let body = br#"{"messages":[{"id":1,"sender":"a","recipients":{"to":[]},"created_at":"2026-11-23T08:24:26+00:00","subject":"s","size":221}]}"#;
        let time = Some("2026-11-23T08:24:26Z".parse().unwrap());
        let message = Message { id: MessageId::Number(1), received: time, size: 221 };
        assert_eq!(MailDump.page(0, body).unwrap().messages[0], message);
        assert_eq!(MailDump.message(&body[13..body.len() - 2]), Some(message));
        assert!(MailDump.page(0, b"[]").is_err());
    }

    proptest! {
        #[test]
        fn no_answer_panics(body: Vec<u8>) {
            let _ = (MailDump.page(0, &body), MailDump.message(&body));
        }
    }
}
