//! MailHog 1.0, from its documentation.
//!
//! Its list comes with whole messages. Events tell of arrivals only, on a WebSocket and as a stream. Not
//! forwarded: `/api/v2/outgoing-smtp`, which tells passwords.

use http::Method;
use serde::Deserialize;

use super::fields::{Entries, Entry, Field};
use super::ids::is_name;
use super::mailbox::{self, Call, Mailbox, Message, MessageId, Page};
use super::routes::{self, Does, Route};
use super::{Action, Asked, Catcher, Format, NoRoute, Operation};
use crate::path::Slashes;
use crate::permission::Permission;

/// The route table of MailHog.
#[derive(Clone, Copy, Debug)]
pub struct MailHog;

const READS: &str = "GET, HEAD";

static ROUTES: &[Route] = &[
    Route::at("/", READS, &[Does::read(Operation::App)]),
    Route::at("/css/*", READS, &[Does::read(Operation::Asset)]),
    Route::at("/fonts/*", READS, &[Does::read(Operation::Asset).with_query()]),
    Route::at("/images/*", READS, &[Does::read(Operation::Asset)]),
    Route::at("/js/*", READS, &[Does::read(Operation::Asset)]),
    Route::at("/favicon.ico", READS, &[Does::read(Operation::Asset)]),
    // A stream, which `Other` is known to be able to be.
    Route::at("/api/v1/events", READS, &[Does::read(Operation::Other)]),
    Route::at("/api/v2/websocket", READS, &[Does::socket(), Does::read(Operation::Data)]),
    Route::at("/api/v1/messages", "GET, HEAD, DELETE", &[Does::read(Operation::Data), Does::clear()]),
    Route::at(
        "/api/v1/messages/:id",
        "GET, HEAD, DELETE",
        &[Does::read(Operation::Message(Format::Json)), Does::delete()],
    ),
    Route::at("/api/v1/messages/:id/download", READS, &[Does::read(Operation::Message(Format::Eml))]),
    Route::at("/api/v1/messages/:id/mime/part/:number/download", READS, &[Does::read(Operation::Part)]),
    // Sends the mail to a real mailbox.
    Route::at("/api/v1/messages/:id/release", "POST", &[Does::post(Permission::Write).with_body()]),
    Route::at("/api/v2/messages", READS, &[Does::read(Operation::Data).with_query()]),
    Route::at("/api/v2/search", READS, &[Does::read(Operation::Data).with_query()]),
    // The chaos monkey, which makes mail fail for everybody.
    Route::at(
        "/api/v2/jim",
        "GET, HEAD, POST, PUT, DELETE",
        &[
            Does::read(Operation::Data),
            Does::post(Permission::Write).with_body(),
            Does::put(Permission::Write).with_body(),
            Does::delete_other(),
        ],
    ),
];

impl Catcher for MailHog {
    fn slashes(&self) -> Slashes {
        Slashes::Merge
    }

    fn reads_cookies(&self) -> bool {
        false
    }

    fn action(&self, asked: &Asked<'_>, prefix: &str, path: &str) -> Result<Action, NoRoute> {
        routes::find(ROUTES, is_name, asked, prefix, path)
    }

    fn mailbox(&self) -> Option<&'static dyn Mailbox> {
        Some(&MailHog)
    }

    fn socket(&self) -> Option<&'static str> {
        Some("/api/v2/websocket")
    }
}

/// As many as it gives at once.
const PAGE: u64 = 250;

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    items: Entries<Listed<'a>>,
    #[serde(default)]
    total: u64,
}

#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow, rename = "ID")]
    id: Field<'a>,
    #[serde(borrow, default, rename = "Created")]
    time: Option<Field<'a>>,
    #[serde(borrow, default, rename = "Content")]
    content: Option<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default, rename = "Size")]
    size: Option<Field<'a>>,
}

impl Entry for Listed<'_> {
    /// None for an id that cannot be asked for: such a message is left alone.
    fn message(self) -> Option<Message> {
        let size = self.content.as_ref().and_then(|content| content.size.as_ref());
        Some(Message { id: self.id.name()?, received: Field::time(self.time.as_ref()), size: Field::size(size) })
    }
}

impl Mailbox for MailHog {
    fn list(&self, prefix: &str, start: u64) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/api/v2/messages?start={start}&limit={PAGE}"))
    }

    fn page(&self, start: u64, body: &[u8]) -> Result<Page, String> {
        let List { items, total } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let next = start.saturating_add(items.count);
        Ok(Page { messages: items.messages, next: (next < total).then_some(next) })
    }

    fn one(&self, prefix: &str, id: &MessageId) -> Option<Call> {
        Some(mailbox::call(Method::GET, format!("{prefix}/api/v1/messages/{}", mailbox::segment(id))))
    }

    fn message(&self, body: &[u8]) -> Option<Message> {
        serde_json::from_slice::<Listed<'_>>(body).ok().and_then(Listed::message)
    }

    fn delete(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::DELETE, format!("{prefix}/api/v1/messages/{}", mailbox::segment(id)))
    }

    /// It says 500 of one that is not there; whether it is, the list tells.
    fn is_gone(&self, status: u16) -> bool {
        matches!(status, 200..=299 | 404 | 500)
    }

    fn delete_all(&self, prefix: &str) -> Call {
        mailbox::call(Method::DELETE, format!("{prefix}/api/v1/messages"))
    }

    fn source(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/api/v1/messages/{}/download", mailbox::segment(id)))
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
    fn its_routes_are_those_of_its_documentation() {
        is_in_order(ROUTES);
        holds(
            &MailHog,
            "GET / App view
             GET /js/controllers.js Asset view
             GET /fonts/glyphicons.woff?v=1 Asset view
             GET /api/v1/events Other view
             GET /api/v2/websocket Data view
             GET /api/v1/messages Data view
             DELETE /api/v1/messages Clear clear
             DELETE /api/v1/./messages?x Clear clear -> /api/v1/messages
             GET /api/v1/messages/a-Z_9=@mailhog.example Message(Json) view
             DELETE /api/v1/messages/a-Z_9=@mailhog.example Delete delete
             GET /api/v1/messages/a/download Message(Eml) view
             GET /api/v1/messages/a/mime/part/0/download Part view
             POST /api/v1/messages/a/release Change write
             GET /api/v2/messages?start=0&limit=50 Data view
             GET /api/v2/search?kind=from&query=a Data view
             GET /api/v2/jim Data view
             POST /api/v2/jim Change write
             PUT /api/v2/jim Change write
             DELETE /api/v2/jim Change write",
        );
    }

    #[test]
    fn what_it_lacks_and_what_tells_passwords_is_not_forwarded() {
        refuses(
            &MailHog,
            "DELETE /
             DELETE /api/v1/messages/
             DELETE /api/v1/messages/a%2Fb
             DELETE /api/v1/messages/a/b
             DELETE /api/v2/messages
             POST /api/v1/messages
             GET /api/v2/outgoing-smtp
             GET /api/v1/messages/a/mime/part/x/download
             GET /debug/pprof/",
        );
    }

    #[test]
    fn its_list_is_read_page_by_page() {
        let body = br#"{"total":9,"count":1,"start":0,"items":[{"ID":"a=@mailhog.example","Created":"2026-11-23T08:24:26.5Z","Content":{"Size":7,"Body":"x"}}]}"#;
        let time = Some("2026-11-23T08:24:26.5Z".parse().unwrap());
        let message = Message { id: MessageId::Name("a=@mailhog.example".into()), received: time, size: 7 };
        assert_eq!(MailHog.page(0, body).unwrap(), Page { messages: vec![message], next: Some(1) });
        assert_eq!(MailHog.page(8, body).unwrap().next, None);
    }

    proptest! {
        #[test]
        fn no_answer_panics(body: Vec<u8>, start: u64) {
            let _ = (MailHog.page(start, &body), MailHog.message(&body));
        }
    }
}
