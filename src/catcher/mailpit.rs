//! Mailpit 1.2x and 1.30, from its documentation.
//!
//! One message is deleted as many are: by a body that names them. A body that names none, and no body, is everything, so
//! none is ever sent as it came. To look at a message marks it as read. Its socket tells of deletions in part only. Not
//! forwarded: `/proxy`, which fetches what a mail names, and whatever a plug-in adds.

use http::Method;
use serde::Deserialize;

use super::fields::{Entries, Entry, Field};
use super::ids::{self, is_name};
use super::mailbox::{self, Call, Mailbox, Message, MessageId, Page};
use super::routes::{self, Does, Route};
use super::{Action, Asked, Catcher, Format, NoRoute, Operation, Payload};
use crate::path::Slashes;
use crate::permission::Permission;

/// The route table of Mailpit.
#[derive(Clone, Copy, Debug)]
pub struct Mailpit;

const READS: &str = "GET, HEAD";

static ROUTES: &[Route] = &[
    Route::at("/", READS, &[Does::read(Operation::App).with_query()]),
    Route::at("/search", READS, &[Does::read(Operation::App).with_query()]),
    Route::at("/dist/*", READS, &[Does::read(Operation::Asset).with_query()]),
    Route::at("/favicon.ico", READS, &[Does::read(Operation::Asset)]),
    Route::at("/favicon.svg", READS, &[Does::read(Operation::Asset)]),
    Route::at("/mailpit.svg", READS, &[Does::read(Operation::Asset)]),
    Route::at("/notification.png", READS, &[Does::read(Operation::Asset)]),
    Route::at("/livez", READS, &[Does::read(Operation::Data)]),
    Route::at("/readyz", READS, &[Does::read(Operation::Data)]),
    Route::at("/api/events", READS, &[Does::socket(), Does::read(Operation::Data)]),
    Route::at("/api/v1/", READS, &[Does::read(Operation::App)]),
    Route::at("/api/v1/swagger.json", READS, &[Does::read(Operation::Data)]),
    Route::at("/api/v1/info", READS, &[Does::read(Operation::Data)]),
    Route::at("/api/v1/webui", READS, &[Does::read(Operation::Data)]),
    Route::at(
        "/api/v1/messages",
        "GET, HEAD, DELETE, PUT",
        &[
            Does::read(Operation::Data).with_query(),
            Does::delete_by_body(),
            // Marks as read or unread.
            Does::put(Permission::View).with_body(),
        ],
    ),
    // Whatever is found, which may be everything.
    Route::at(
        "/api/v1/search",
        "GET, HEAD, DELETE",
        &[Does::read(Operation::Data).with_query(), Does::clear().with_query()],
    ),
    Route::at("/api/v1/send", "POST", &[Does::post(Permission::Write).with_body()]),
    Route::at(
        "/api/v1/tags",
        "GET, HEAD, PUT",
        &[Does::read(Operation::Data), Does::put(Permission::Write).with_body()],
    ),
    Route::at("/api/v1/tags/:name", "PUT, DELETE", &[Does::put(Permission::Write).with_body(), Does::delete_other()]),
    Route::at(
        "/api/v1/chaos",
        "GET, HEAD, PUT",
        &[Does::read(Operation::Data), Does::put(Permission::Write).with_body()],
    ),
    Route::at("/api/v1/message/:id", READS, &[Does::read(Operation::Message(Format::Json))]),
    Route::at("/api/v1/message/:id/headers", READS, &[Does::read(Operation::Data)]),
    Route::at("/api/v1/message/:id/raw", READS, &[Does::read(Operation::Message(Format::Source)).with_query()]),
    Route::at("/api/v1/message/:id/html-check", READS, &[Does::read(Operation::Data)]),
    Route::at("/api/v1/message/:id/link-check", READS, &[Does::read(Operation::Data).with_query()]),
    Route::at("/api/v1/message/:id/sa-check", READS, &[Does::read(Operation::Data)]),
    Route::at("/api/v1/message/:id/part/:name", READS, &[Does::read(Operation::Part)]),
    Route::at("/api/v1/message/:id/part/:name/thumb", READS, &[Does::read(Operation::Part)]),
    // Sends the mail to a real mailbox.
    Route::at("/api/v1/message/:id/release", "POST", &[Does::post(Permission::Write).with_body()]),
    Route::at("/view/:id.html", READS, &[Does::read(Operation::Message(Format::Html)).with_query()]),
    Route::at("/view/:id.txt", READS, &[Does::read(Operation::Message(Format::Plain))]),
    Route::at("/view/:id", READS, &[Does::read(Operation::App).with_query()]),
];

impl Catcher for Mailpit {
    fn slashes(&self) -> Slashes {
        Slashes::Merge
    }

    fn reads_cookies(&self) -> bool {
        false
    }

    fn action(&self, asked: &Asked<'_>, prefix: &str, path: &str) -> Result<Action, NoRoute> {
        routes::find(ROUTES, is_name, asked, prefix, path)
    }

    /// The ids in the body and no others, or everything.
    fn decided(&self, action: Action, body: &[u8]) -> Result<Action, NoRoute> {
        match ids::named(body, is_name)? {
            Some(named) => ids::deleting(action, "IDs", &named),
            None => Ok(Action {
                operation: Operation::Clear,
                permission: Permission::Clear,
                payload: Payload::None,
                ..action
            }),
        }
    }

    fn mailbox(&self) -> Option<&'static dyn Mailbox> {
        Some(&Mailpit)
    }

    fn socket(&self) -> Option<&'static str> {
        Some("/api/events")
    }
}

/// So many at once.
const PAGE: u64 = 500;

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    messages: Entries<Listed<'a>>,
    #[serde(default)]
    total: u64,
}

#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow, rename = "ID")]
    id: Field<'a>,
    #[serde(borrow, default, rename = "Created")]
    time: Option<Field<'a>>,
    #[serde(borrow, default, rename = "Size")]
    size: Option<Field<'a>>,
}

impl Entry for Listed<'_> {
    /// None for an id that cannot be asked for: such a message is left alone.
    fn message(self) -> Option<Message> {
        let (received, size) = (Field::time(self.time.as_ref()), Field::size(self.size.as_ref()));
        Some(Message { id: self.id.name()?, received, size })
    }
}

impl Mailbox for Mailpit {
    fn list(&self, prefix: &str, start: u64) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/api/v1/messages?start={start}&limit={PAGE}"))
    }

    /// Newest first: what arrives between two pages is on the second once more, and what goes may be left out of it.
    fn page(&self, start: u64, body: &[u8]) -> Result<Page, String> {
        let List { messages, total } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let next = start.saturating_add(messages.count);
        Ok(Page { messages: messages.messages, next: (next < total).then_some(next) })
    }

    /// The list in the body always names one: an empty one is everything.
    fn delete(&self, prefix: &str, id: &MessageId) -> Call {
        let json = serde_json::json!({ "IDs": [mailbox::segment(id)] }).to_string();
        Call { json: Some(json.into()), ..mailbox::call(Method::DELETE, format!("{prefix}/api/v1/messages")) }
    }

    fn delete_all(&self, prefix: &str) -> Call {
        mailbox::call(Method::DELETE, format!("{prefix}/api/v1/messages"))
    }

    fn source(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/api/v1/message/{}/raw", mailbox::segment(id)))
    }

    fn reuses_ids(&self) -> bool {
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::super::route;
    use super::super::routes::tests::{holds, is_in_order, refuses};
    use super::*;

    #[test]
    fn its_routes_are_those_of_its_documentation() {
        is_in_order(ROUTES);
        holds(
            &Mailpit,
            "GET / App view
             GET /search?q=x App view
             GET /view/KF8sQx App view
             GET /view/KF8sQx.html Message(Html) view
             GET /view/latest.txt Message(Plain) view
             GET /dist/app.js?v1 Asset view
             GET /favicon.svg Asset view
             GET /livez Data view
             GET /api/events Data view
             GET /api/v1/info Data view
             GET /api/v1/messages?start=0&limit=50 Data view
             DELETE /api/v1/messages Clear clear
             PUT /api/v1/messages Change view
             GET /api/v1/search?query=a Data view
             DELETE /api/v1/search?query=a Clear clear
             POST /api/v1/send Change write
             PUT /api/v1/tags Change write
             DELETE /api/v1/tags/a Change write
             PUT /api/v1/chaos Change write
             GET /api/v1/message/latest Message(Json) view
             GET /api/v1/message/KF8sQx/raw Message(Source) view
             GET /api/v1/message/KF8sQx/headers Data view
             GET /api/v1/message/KF8sQx/part/2 Part view
             GET /api/v1/message/KF8sQx/part/2/thumb Part view
             POST /api/v1/message/KF8sQx/release Change write",
        );
    }

    #[test]
    fn what_it_lacks_and_what_fetches_for_others_is_not_forwarded() {
        refuses(
            &Mailpit,
            "GET /proxy?data=x
             GET /metrics
             DELETE /
             DELETE /api/v1/messages/
             DELETE /api/v1/messages/KF8sQx
             DELETE /api/v1/message/KF8sQx
             POST /api/v1/messages
             GET /api/v1/message/a%2Fb
             GET /API/v1/messages",
        );
    }

    #[test]
    fn the_body_of_a_deletion_decides_whether_it_is_everything() {
        let method = Method::DELETE;
        let asked = Asked { method: &method, path: "/api/v1/messages", query: None, websocket: false };
        let action = route(&Mailpit, "", &asked).unwrap();
        assert_eq!((action.permission, &action.payload), (Permission::Clear, &Payload::Decides));
        let decided = |body: &str| Mailpit.decided(action.clone(), body.as_bytes()).map(|a| (a.permission, a.payload));
        let json = |text: &'static str| Payload::Json(text.as_bytes().into());
        assert_eq!(decided(r#"{ "IDs": ["a"] }"#), Ok((Permission::Delete, json(r#"{"IDs":["a"]}"#))));
        assert_eq!(decided(r#"{"ids":["a"]}"#), Ok((Permission::Delete, json(r#"{"IDs":["a"]}"#))));
        for everything in ["", "{}", r#"{"IDs":[]}"#] {
            assert_eq!(decided(everything), Ok((Permission::Clear, Payload::None)), "{everything}");
        }
        for unclear in [r#"{"IDs":["a"],"ids":[]}"#, r#"{"IDs":null}"#, r#"{"IDs":[""]}"#, "x", "[]"] {
            assert!(decided(unclear).is_err(), "{unclear}");
        }
    }

    #[test]
    fn its_list_is_read_page_by_page_and_one_is_deleted_by_name() {
        let body =
            br#"{"total":3,"messages":[{"ID":"KF8sQx","Created":"2026-11-23T10:24:26.5+02:00","Size":221},{"ID":""}]}"#;
        let time = Some("2026-11-23T08:24:26.5Z".parse().unwrap());
        let id = MessageId::Name("KF8sQx".into());
        let message = Message { id: id.clone(), received: time, size: 221 };
        assert_eq!(Mailpit.page(0, body).unwrap(), Page { messages: vec![message], next: Some(2) });
        assert_eq!(Mailpit.delete("/m", &id).json.unwrap(), r#"{"IDs":["KF8sQx"]}"#);
        assert_eq!(Mailpit.delete_all("/m").json, None);
    }

    proptest! {
        #[test]
        fn no_answer_panics_and_no_deletion_of_one_is_of_all(body: Vec<u8>, start: u64, name: String) {
            let _ = Mailpit.page(start, &body);
            let json = Mailpit.delete("", &MessageId::Name(name.into())).json.unwrap();
            prop_assert!(ids::named(&json, is_name).unwrap().is_some());
        }
    }
}
