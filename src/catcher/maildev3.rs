//! MailDev 3, as observed on the real program (3.0.0): MailDev 2 below `/api`, with pages of summaries and with deletions
//! by a list of ids.
//!
//! A message's time is what its sender wrote into `Date`; to look at one marks it as read. Not forwarded:
//! `/api/reloadMailsFromDirectory`, which changes something with a GET, and `/mcp`, whose bodies can ask for anything.

use http::Method;
use serde::Deserialize;

use super::fields::{Entries, Entry, Field};
use super::ids;
use super::mailbox::{self, Call, Mailbox, Message, MessageId, Page};
use super::maildev2::{SOCKET_IO, is_id};
use super::routes::{self, Does, Route};
use super::{Action, Asked, Catcher, Format, NoRoute, Operation};
use crate::path::Slashes;
use crate::permission::Permission;

/// The route table of MailDev3.
#[derive(Clone, Copy, Debug)]
pub struct MailDev3;

const READS: &str = "GET, HEAD";

static ROUTES: &[Route] = &[
    Route::at("/", READS, &[Does::read(Operation::App)]),
    Route::at("/index.html", READS, &[Does::read(Operation::App)]),
    Route::at("/maildev-icon.svg", READS, &[Does::read(Operation::Asset)]),
    Route::at("/favicon.ico", READS, &[Does::read(Operation::Asset)]),
    Route::at("/assets/*", READS, &[Does::read(Operation::Asset)]),
    Route::at("/socket.io/", "GET, HEAD, POST", SOCKET_IO),
    Route::at("/api/config", READS, &[Does::read(Operation::Data)]),
    Route::at("/api/healthz", READS, &[Does::read(Operation::Data)]),
    Route::at("/api/email", READS, &[Does::read(Operation::Data).with_query()]),
    Route::at("/api/email/summary", READS, &[Does::read(Operation::Data).with_query()]),
    Route::at("/api/email/all", "DELETE", &[Does::clear()]),
    Route::at("/api/email/delete", "POST", &[Does::post_delete_by_body()]),
    Route::at("/api/email/read-all", "PATCH", &[Does::patch(Permission::View)]),
    Route::at("/api/email/:id", "GET, HEAD, DELETE", &[Does::read(Operation::Message(Format::Json)), Does::delete()]),
    Route::at("/api/email/:id/html", READS, &[Does::read(Operation::Message(Format::Html))]),
    Route::at("/api/email/:id/source", READS, &[Does::read(Operation::Message(Format::Source))]),
    Route::at("/api/email/:id/download", READS, &[Does::read(Operation::Message(Format::Eml))]),
    Route::at("/api/email/:id/attachment/:name", READS, &[Does::read(Operation::Part)]),
    Route::at("/api/email/:id/relay", "POST", &[Does::post(Permission::Write)]),
    Route::at("/api/email/:id/relay/:name", "POST", &[Does::post(Permission::Write)]),
];

impl Catcher for MailDev3 {
    fn slashes(&self) -> Slashes {
        Slashes::Merge
    }

    fn reads_cookies(&self) -> bool {
        false
    }

    fn action(&self, asked: &Asked<'_>, prefix: &str, path: &str) -> Result<Action, NoRoute> {
        routes::find(ROUTES, is_id, asked, prefix, path)
    }

    /// The ids in the body, and no others.
    fn decided(&self, action: Action, body: &[u8]) -> Result<Action, NoRoute> {
        match ids::named(body, is_id)? {
            Some(named) => ids::deleting(action, "ids", &named),
            None => Err(NoRoute::Ambiguous("the body names no messages")),
        }
    }

    fn mailbox(&self) -> Option<&'static dyn Mailbox> {
        Some(&MailDev3)
    }

    fn socket(&self) -> Option<&'static str> {
        Some("/socket.io/")
    }
}

/// As many as it gives at once.
const PAGE: u64 = 200;

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    items: Entries<Listed<'a>>,
    #[serde(default)]
    total: u64,
}

#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    id: Field<'a>,
    #[serde(borrow, default)]
    time: Option<Field<'a>>,
    #[serde(borrow, default)]
    size: Option<Field<'a>>,
}

impl Entry for Listed<'_> {
    /// None for an id that cannot be asked for: such a message is left alone.
    fn message(self) -> Option<Message> {
        let (received, size) = (Field::time(self.time.as_ref()), Field::size(self.size.as_ref()));
        Some(Message { id: self.id.name().filter(|id| is_id(&mailbox::segment(id)))?, received, size })
    }
}

impl Mailbox for MailDev3 {
    /// Oldest first, so that what arrives meanwhile moves nothing.
    fn list(&self, prefix: &str, start: u64) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/api/email/summary?skip={start}&limit={PAGE}&sort=asc"))
    }

    fn page(&self, start: u64, body: &[u8]) -> Result<Page, String> {
        let List { items, total } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let next = start.saturating_add(items.count);
        Ok(Page { messages: items.messages, next: (next < total).then_some(next) })
    }

    fn delete(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::DELETE, format!("{prefix}/api/email/{}", mailbox::segment(id)))
    }

    fn delete_all(&self, prefix: &str) -> Call {
        mailbox::call(Method::DELETE, format!("{prefix}/api/email/all"))
    }

    fn source(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/api/email/{}/source", mailbox::segment(id)))
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
    use super::super::{Payload, route};
    use super::*;

    #[test]
    fn its_routes_are_those_that_were_observed() {
        is_in_order(ROUTES);
        holds(
            &MailDev3,
            "GET / App view
             GET /index.html App view
             GET /maildev-icon.svg Asset view
             GET /assets/index-Disuuigs.js Asset view
             GET /socket.io/?EIO=4&transport=polling Data view
             POST /socket.io/?EIO=4&sid=y Data view
             GET /api/config Data view
             GET /api/healthz Data view
             GET /api/email?skip=2 Data view
             GET /api/email/summary?skip=0&limit=50&sort=desc Data view
             DELETE /api/email/all Clear clear
             DELETE /api//email/%61ll Clear clear -> /api/email/all
             POST /api/email/delete Clear clear
             PATCH /api/email/read-all Change view
             GET /api/email/ab3de6gh Message(Json) view
             DELETE /api/email/ab3de6gh Delete delete
             GET /api/email/ab3de6gh/html Message(Html) view
             GET /api/email/ab3de6gh/source Message(Source) view
             GET /api/email/ab3de6gh/download Message(Eml) view
             GET /api/email/ab3de6gh/attachment/a.png Part view
             POST /api/email/ab3de6gh/relay Change write
             POST /api/email/ab3de6gh/relay/a@b.example Change write",
        );
    }

    #[test]
    fn what_it_lacks_and_what_could_do_anything_is_not_forwarded() {
        refuses(
            &MailDev3,
            "DELETE /api/email/ALL
             DELETE /api/email
             DELETE /api/email/
             DELETE /api/email/delete/
             GET /api/email/all
             GET /api/reloadMailsFromDirectory
             POST /mcp
             GET /mcp
             DELETE /mcp
             GET /api/email/x/attachment/a%2Fb
             GET /email
             DELETE /",
        );
    }

    #[test]
    fn a_list_of_ids_is_a_deletion_of_these_and_an_empty_one_is_refused() {
        let method = Method::POST;
        let asked = Asked { method: &method, path: "/api/email/delete", query: None, websocket: false };
        let action = route(&MailDev3, "", &asked).unwrap();
        assert_eq!((action.permission, &action.payload), (Permission::Clear, &Payload::Decides));
        let decided = MailDev3.decided(action.clone(), br#"{"ids":["b","a"]}"#).unwrap();
        assert_eq!((decided.operation, decided.permission), (Operation::Delete, Permission::Delete));
        assert_eq!(decided.payload, Payload::Json(br#"{"ids":["a","b"]}"#.as_slice().into()));
        for body in ["", "{}", r#"{"ids":[]}"#, r#"{"ids":["all"]}"#, r#"{"ids":["a"],"ids":["b"]}"#] {
            assert!(MailDev3.decided(action.clone(), body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn its_list_is_read_page_by_page() {
        let body = br#"{"items":[{"id":"ab3de6gh","time":"2026-11-23T08:24:26.000Z","size":221},{"id":"ALL"}],"total":3,"skip":0}"#;
        let time = Some("2026-11-23T08:24:26Z".parse().unwrap());
        let message = Message { id: MessageId::Name("ab3de6gh".into()), received: time, size: 221 };
        assert_eq!(MailDev3.page(0, body).unwrap(), Page { messages: vec![message], next: Some(2) });
        assert_eq!(MailDev3.page(1, body).unwrap().next, None);
        assert!(MailDev3.page(0, b"[]").is_err());
    }

    proptest! {
        #[test]
        fn no_answer_panics(body: Vec<u8>, start: u64) {
            let _ = (MailDev3.page(start, &body), MailDev3.list("", start));
        }
    }
}
