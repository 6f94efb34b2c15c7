//! MailDev 2, as observed on the real program (2.2.1).
//!
//! Express compares without regard to case, so that `/email/ALL` is everything too. Its live events come by socket.io, as
//! long polling and as a WebSocket; they tell of arrivals and deletions but not of clears. A message's time is what its
//! sender wrote into `Date`. To look at one marks it as read, so only the list is. Not forwarded: `/reloadMailsFromDirectory`,
//! which changes something with a GET.

use http::Method;
use serde::Deserialize;

use super::fields::{Entries, Entry, Field};
use super::ids::is_name;
use super::mailbox::{self, Call, Mailbox, Message, MessageId, Page};
use super::routes::{self, Does, Route};
use super::{Action, Asked, Catcher, Format, NoRoute, Operation};
use crate::path::Slashes;
use crate::permission::Permission;

/// The route table of MailDev2.
#[derive(Clone, Copy, Debug)]
pub struct MailDev2;

const READS: &str = "GET, HEAD";

/// Long polling and a WebSocket at one address.
pub(super) static SOCKET_IO: &[Does] = &[
    Does::socket(),
    Does::read(Operation::Data).with_query(),
    Does::post(Permission::View).giving(Operation::Data).with_query().with_body(),
];

static ROUTES: &[Route] = &[
    Route::at("/", READS, &[Does::read(Operation::App)]),
    Route::at("/index.html", READS, &[Does::read(Operation::App)]),
    Route::at("/favicon.ico", READS, &[Does::read(Operation::Asset)]),
    Route::at("/components/*", READS, &[Does::read(Operation::Asset)]),
    Route::at("/scripts/*", READS, &[Does::read(Operation::Asset)]),
    Route::at("/styles/*", READS, &[Does::read(Operation::Asset)]),
    Route::at("/views/*", READS, &[Does::read(Operation::Asset)]),
    Route::at("/webfonts/*", READS, &[Does::read(Operation::Asset)]),
    Route::at("/socket.io/", "GET, HEAD, POST", SOCKET_IO),
    Route::at("/socket.io/socket.io.js", READS, &[Does::read(Operation::Asset)]),
    Route::at("/config", READS, &[Does::read(Operation::Data)]),
    Route::at("/healthz", READS, &[Does::read(Operation::Data)]),
    Route::at("/email", READS, &[Does::read(Operation::Data).with_query()]),
    Route::at("/email/all", "DELETE", &[Does::clear()]),
    // Whoever may look at mails marks them as read by that anyway.
    Route::at("/email/read-all", "PATCH", &[Does::patch(Permission::View)]),
    Route::at("/email/:id", "GET, HEAD, DELETE", &[Does::read(Operation::Message(Format::Json)), Does::delete()]),
    Route::at("/email/:id/html", READS, &[Does::read(Operation::Message(Format::Html))]),
    Route::at("/email/:id/source", READS, &[Does::read(Operation::Message(Format::Source))]),
    Route::at("/email/:id/download", READS, &[Does::read(Operation::Message(Format::Eml))]),
    Route::at("/email/:id/attachment/:name", READS, &[Does::read(Operation::Part)]),
    // Sends the mail to a real mailbox.
    Route::at("/email/:id/relay", "POST", &[Does::post(Permission::Write)]),
    Route::at("/email/:id/relay/:name", "POST", &[Does::post(Permission::Write)]),
];

impl Catcher for MailDev2 {
    fn slashes(&self) -> Slashes {
        Slashes::Merge
    }

    fn reads_cookies(&self) -> bool {
        false
    }

    fn action(&self, asked: &Asked<'_>, prefix: &str, path: &str) -> Result<Action, NoRoute> {
        routes::find(ROUTES, is_id, asked, prefix, path)
    }

    fn mailbox(&self) -> Option<&'static dyn Mailbox> {
        Some(&MailDev2)
    }

    fn socket(&self) -> Option<&'static str> {
        Some("/socket.io/")
    }
}

/// A name; whatever its case, `all` is none: Express takes it for everything.
pub(super) fn is_id(text: &str) -> bool {
    is_name(text) && !text.eq_ignore_ascii_case("all")
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

impl Mailbox for MailDev2 {
    fn list(&self, prefix: &str, _start: u64) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/email"))
    }

    fn page(&self, _start: u64, body: &[u8]) -> Result<Page, String> {
        let listed: Entries<Listed<'_>> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        Ok(Page { messages: listed.messages, next: None })
    }

    fn delete(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::DELETE, format!("{prefix}/email/{}", mailbox::segment(id)))
    }

    /// It says 500 of one that is not there; whether it is, the list tells.
    fn is_gone(&self, status: u16) -> bool {
        matches!(status, 200..=299 | 404 | 500)
    }

    fn delete_all(&self, prefix: &str) -> Call {
        mailbox::call(Method::DELETE, format!("{prefix}/email/all"))
    }

    fn source(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/email/{}/source", mailbox::segment(id)))
    }

    fn reuses_ids(&self) -> bool {
        false
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::super::Payload;
    use super::super::routes::tests::{holds, is_in_order, refuses};
    use super::*;

    #[test]
    fn its_routes_are_those_that_were_observed() {
        is_in_order(ROUTES);
        holds(
            &MailDev2,
            "GET / App view
             GET /index.html App view
             GET /scripts/controllers/main.js Asset view
             GET /components/angular/angular.min.js Asset view
             GET /webfonts/fa-solid-900.woff2 Asset view
             GET /socket.io/?EIO=4&transport=polling&t=x Data view
             POST /socket.io/?EIO=4&sid=y Data view
             GET /config Data view
             GET /healthz Data view
             GET /email?from.address=a@b&skip=1 Data view
             DELETE /email/all Clear clear
             DELETE /email/%61ll Clear clear -> /email/all
             DELETE //email/x/../all Clear clear -> /email/all
             PATCH /email/read-all Change view
             GET /email/aB3dE6gH Message(Json) view
             DELETE /email/aB3dE6gH?x Delete delete -> /email/aB3dE6gH
             GET /email/aB3dE6gH/html Message(Html) view
             GET /email/aB3dE6gH/source Message(Source) view
             GET /email/aB3dE6gH/download Message(Eml) view
             GET /email/aB3dE6gH/attachment/a%20b.png Part view
             POST /email/aB3dE6gH/relay Change write
             POST /email/aB3dE6gH/relay/a@b.example Change write",
        );
    }

    #[test]
    fn what_it_lacks_and_other_spellings_of_all_are_not_forwarded() {
        refuses(
            &MailDev2,
            "DELETE /email/ALL
             DELETE /email/All
             DELETE /EMAIL/all
             DELETE /email/all/
             DELETE /email/
             DELETE /email
             DELETE /email/a%2Fb
             DELETE /email/a%00
             GET /email/all
             GET /reloadMailsFromDirectory
             GET /email/x/attachment/..%2f..%2fpasswd
             GET /email/x/attachment/a%2Fb
             GET /socket.io
             DELETE /socket.io/
             POST /email
             DELETE /",
        );
    }

    #[test]
    fn the_socket_is_a_tunnel_and_what_is_posted_to_it_goes_as_it_came() {
        let asked = |method, websocket| Asked { method, path: "/socket.io/", query: Some("EIO=4"), websocket };
        let routed =
            |asked: &Asked<'_>| super::super::route(&MailDev2, "/mail", &Asked { path: "/mail/socket.io/", ..*asked });
        let tunnel = routed(&asked(&Method::GET, true)).unwrap();
        assert_eq!((tunnel.operation, tunnel.target.as_str()), (Operation::Tunnel, "/mail/socket.io/?EIO=4"));
        assert_eq!(routed(&asked(&Method::POST, false)).unwrap().payload, Payload::AsItCame);
        assert_eq!(routed(&asked(&Method::GET, false)).unwrap().payload, Payload::None);
    }

    #[test]
    fn its_list_is_read() {
        let body = br#"[{"id":"aB3dE6gH","time":"2026-11-23T08:24:26.000Z","size":221,"html":"<p>"},{"id":"all"},{"id":"../x"},{"id":7}]"#;
        let time = Some("2026-11-23T08:24:26Z".parse().unwrap());
        let message = Message { id: MessageId::Name("aB3dE6gH".into()), received: time, size: 221 };
        assert_eq!(MailDev2.page(0, body).unwrap(), Page { messages: vec![message], next: None });
        assert!(MailDev2.page(0, b"{}").is_err());
    }

    proptest! {
        #[test]
        fn no_answer_panics_and_no_id_is_everything(body: Vec<u8>, id in "[aA][lL][lL]|[a-z./%]{0,6}") {
            let _ = MailDev2.page(0, &body);
            let list = format!("[{{\"id\":\"{id}\"}}]");
            for message in MailDev2.page(0, list.as_bytes()).unwrap().messages {
                let call = MailDev2.delete("", &message.id);
                prop_assert!(!call.target.path().eq_ignore_ascii_case("/email/all"));
            }
        }
    }
}
