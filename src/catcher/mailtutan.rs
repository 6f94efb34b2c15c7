//! Mailtutan 0.3, as observed on the real program.
//!
//! Asked for a message that it does not have, to delete it too, it panics with its lock held and answers nobody any more:
//! so no message is looked at by itself. It tells no sizes, and times in its own zone, which is taken for this machine's.
//! Ids begin at 1 with each start and do not come back.

use http::Method;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::fields::Field;
use super::mailbox::{self, Call, Mailbox, Message, MessageId, Page};
use super::routes::{self, Does, Route};
use super::{Action, Asked, Catcher, Format, NoRoute, Operation};
use crate::path::Slashes;

/// The route table of mailtutan.
#[derive(Clone, Copy, Debug)]
pub struct Mailtutan;

const READS: &str = "GET, HEAD";

static ROUTES: &[Route] = &[
    Route::at("/", READS, &[Does::read(Operation::App)]),
    Route::at("/styles.css", READS, &[Does::read(Operation::Asset)]),
    Route::at("/mailtutan-web.js", READS, &[Does::read(Operation::Asset)]),
    Route::at("/mailtutan-web_bg.wasm", READS, &[Does::read(Operation::Asset)]),
    Route::at("/ws", READS, &[Does::socket(), Does::read(Operation::Data)]),
    Route::at("/api/version", READS, &[Does::read(Operation::Data)]),
    Route::at("/api/messages", "GET, HEAD, DELETE", &[Does::read(Operation::Data), Does::clear()]),
    Route::at("/api/messages/:number", "DELETE", &[Does::delete()]),
    Route::at("/api/messages/:number/json", READS, &[Does::read(Operation::Message(Format::Json))]),
    Route::at("/api/messages/:number/plain", READS, &[Does::read(Operation::Message(Format::Plain))]),
    Route::at("/api/messages/:number/html", READS, &[Does::read(Operation::Message(Format::Html))]),
    Route::at("/api/messages/:number/source", READS, &[Does::read(Operation::Message(Format::Source))]),
    Route::at("/api/messages/:number/eml", READS, &[Does::read(Operation::Message(Format::Eml))]),
    Route::at("/api/messages/:number/parts/:name", READS, &[Does::read(Operation::Part)]),
];

impl Catcher for Mailtutan {
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
        Some(&Mailtutan)
    }

    fn socket(&self) -> Option<&'static str> {
        Some("/ws")
    }
}

#[derive(Deserialize)]
struct Listed<'a> {
    id: u64,
    #[serde(borrow, default)]
    created_at: Option<Field<'a>>,
}

/// The list, with times of `zone`.
fn page(body: &[u8], zone: impl Fn() -> TimeZone) -> Result<Page, String> {
    let listed: Vec<Listed<'_>> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let message = |listed: Listed<'_>| Message {
        id: MessageId::Number(listed.id),
        received: match listed.created_at {
            Some(Field::Text(text)) => mailbox::time_in(&text, &zone),
            _ => None,
        },
        size: 0,
    };
    Ok(Page { messages: listed.into_iter().map(message).collect(), next: None })
}

impl Mailbox for Mailtutan {
    fn list(&self, prefix: &str, _start: u64) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/api/messages"))
    }

    fn page(&self, _start: u64, body: &[u8]) -> Result<Page, String> {
        page(body, TimeZone::system)
    }

    fn delete(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::DELETE, format!("{prefix}/api/messages/{}", mailbox::segment(id)))
    }

    fn delete_all(&self, prefix: &str) -> Call {
        mailbox::call(Method::DELETE, format!("{prefix}/api/messages"))
    }

    fn tells_sizes(&self) -> bool {
        false
    }

    fn source(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/api/messages/{}/source", mailbox::segment(id)))
    }

    fn reuses_ids(&self) -> bool {
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::super::routes::tests::{holds, is_in_order, refuses};
    use super::*;

    #[test]
    fn its_routes_are_those_that_were_observed() {
        is_in_order(ROUTES);
        holds(
            &Mailtutan,
            "GET / App view
             GET /styles.css Asset view
             GET /mailtutan-web.js Asset view
             GET /mailtutan-web_bg.wasm Asset view
             GET /ws Data view
             GET /api/version?x=1 Data view -> /api/version
             GET /api/messages Data view
             DELETE /api/messages Clear clear
             DELETE //api/./messages Clear clear -> /api/messages
             DELETE /api/messages/3 Delete delete
             GET /api/messages/3/json Message(Json) view
             GET /api/messages/3/plain Message(Plain) view
             GET /api/messages/3/html Message(Html) view
             GET /api/messages/3/source Message(Source) view
             GET /api/messages/3/eml Message(Eml) view
             GET /api/messages/3/parts/6b2c-x Part view",
        );
    }

    #[test]
    fn what_it_lacks_is_not_forwarded() {
        refuses(
            &Mailtutan,
            "DELETE /
             POST /api/messages
             DELETE /api/messages/
             DELETE /api/messages/1x
             DELETE /api/messages/-1
             DELETE /api/messages/1%2F
             GET /api/messages/3
             GET /api
             GET /API/messages",
        );
    }

    #[test]
    fn its_list_is_read_with_times_of_its_zone() {
        let body = br#"[{"id":2,"sender":"a","created_at":"2026-11-23 10:24:26","formats":["source"]},{"id":1}]"#;
        let helsinki = || TimeZone::fixed(jiff::tz::offset(2));
        let time = Some("2026-11-23T08:24:26Z".parse().unwrap());
        let messages = page(body, helsinki).unwrap().messages;
        assert_eq!(messages[0], Message { id: MessageId::Number(2), received: time, size: 0 });
        assert_eq!(messages[1], Message { id: MessageId::Number(1), received: None, size: 0 });
    }

    #[test]
    fn of_an_hour_that_comes_twice_the_later_one_is_taken() {
        let body = br#"[{"id":1,"created_at":"2026-10-25 02:30:00"},{"id":2,"created_at":"2026-03-29 02:30:00"}]"#;
        let berlin = || TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let messages = page(body, berlin).unwrap().messages;
        assert_eq!(messages[0].received, Some("2026-10-25T01:30:00Z".parse().unwrap()));
        // One that does not come at all is the later of its two meanings too.
        assert_eq!(messages[1].received, Some("2026-03-29T01:30:00Z".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn no_answer_panics(body: Vec<u8>) {
            let _ = Mailtutan.page(0, &body);
        }
    }
}
