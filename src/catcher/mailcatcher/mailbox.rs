//! MailCatcher, as a purge sees it.
//!
//! Its list has no pages and answers 500 as a whole when one subject is not UTF-8. Ids ascend and come back once the newest
//! or all are gone. Deleting all takes time by the square of their number and stops everything else meanwhile.

use std::borrow::Cow;

use http::Method;
use serde::Deserialize;

use super::super::fields::{Entries, Entry, Field};
use super::super::mailbox::{self, Call, Event, Feed, Mailbox, Message, MessageId, Page};
use super::MailCatcher;

#[derive(Deserialize)]
struct Listed<'a> {
    id: u64,
    /// Digits in quotes; forks write a number.
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

impl MailCatcher {
    fn at(prefix: &str, id: &MessageId, format: &str) -> String {
        match id {
            MessageId::Number(id) => format!("{prefix}/messages/{id}{format}"),
            // It has no such ids.
            MessageId::Name(_) => format!("{prefix}/messages/0{format}"),
        }
    }
}

impl Mailbox for MailCatcher {
    fn list(&self, prefix: &str, _start: u64) -> Call {
        mailbox::call(Method::GET, format!("{prefix}/messages"))
    }

    fn page(&self, _start: u64, body: &[u8]) -> Result<Page, String> {
        let listed: Entries<Listed<'_>> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        Ok(Page { messages: listed.messages, next: None })
    }

    fn one(&self, prefix: &str, id: &MessageId) -> Option<Call> {
        Some(mailbox::call(Method::GET, Self::at(prefix, id, ".json")))
    }

    fn message(&self, body: &[u8]) -> Option<Message> {
        serde_json::from_slice::<Listed<'_>>(body).ok().and_then(Listed::message)
    }

    fn delete(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::DELETE, Self::at(prefix, id, ""))
    }

    fn delete_all(&self, prefix: &str) -> Call {
        mailbox::call(Method::DELETE, format!("{prefix}/messages"))
    }

    fn deletes_all_quickly(&self) -> bool {
        false
    }

    fn source(&self, prefix: &str, id: &MessageId) -> Call {
        mailbox::call(Method::GET, Self::at(prefix, id, ".eml"))
    }

    fn feed(&self, prefix: &str) -> Feed {
        Feed::WebSocket(mailbox::call(Method::GET, format!("{prefix}/messages")).target)
    }

    fn event(&self, text: &[u8]) -> Event {
        #[derive(Deserialize)]
        struct Told<'a> {
            #[serde(rename = "type", borrow, default)]
            kind: Option<Cow<'a, str>>,
            #[serde(default)]
            id: Option<u64>,
            #[serde(default)]
            message: Option<Added>,
        }
        #[derive(Deserialize)]
        struct Added {
            id: u64,
        }
        let Ok(told) = serde_json::from_slice::<Told<'_>>(text) else { return Event::Other };
        match (told.kind.as_deref(), told.id, told.message) {
            (Some("add"), _, Some(Added { id })) => Event::Added(MessageId::Number(id)),
            // Version 0.7 tells of what came, as the message alone, and of nothing else.
            (None, Some(id), None) => Event::Added(MessageId::Number(id)),
            (Some("remove"), Some(id), _) => Event::Removed(MessageId::Number(id)),
            (Some("clear"), ..) => Event::Cleared,
            _ => Event::Other,
        }
    }

    fn reuses_ids(&self) -> bool {
        true
    }

    fn can_be_probed(&self) -> bool {
        true
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn its_list_is_read() {
        let body = br#"[{"id":1,"sender":"<a@x>","recipients":["<b@x>"],"subject":"s \u0000","size":"221","created_at":"2026-11-23T08:24:26+00:00"},
            {"id":2,"subject":null,"size":7,"created_at":null},{"id":3,"size":[1]}]"#;
        let message = |id, received: Option<&str>, size| Message {
            id: MessageId::Number(id),
            received: received.map(|text| text.parse().unwrap()),
            size,
        };
        let expected = vec![message(1, Some("2026-11-23T08:24:26Z"), 221), message(2, None, 7), message(3, None, 0)];
        assert_eq!(MailCatcher.page(0, body).unwrap(), Page { messages: expected, next: None });
        for body in ["", "{}", "[{}]", "[{\"id\":-1}]", "<h1>Internal Server Error</h1>"] {
            assert!(MailCatcher.page(0, body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn its_events_are_read() {
        let id = MessageId::Number(8);
        for (text, event) in [
            (r#"{"type":"add","message":{"id":8,"subject":"x"}}"#, Event::Added(id.clone())),
            (r#"{"type":"remove","id":8}"#, Event::Removed(id)),
            (r#"{"type":"clear"}"#, Event::Cleared),
            (r#"{"type":"quit"}"#, Event::Other),
            (
                r#"{"id":8,"sender":"<a@x>","recipients":[],"subject":null,"size":"24","created_at":"x"}"#,
                Event::Added(MessageId::Number(8)),
            ),
            (r#"{"type":"other","id":8}"#, Event::Other),
            (r#"{"type":"add","message":null}"#, Event::Other),
            ("clear", Event::Other),
        ] {
            assert_eq!(MailCatcher.event(text.as_bytes()), event, "{text}");
        }
    }

    #[test]
    fn what_is_asked_is_below_the_prefix() {
        let id = MessageId::Number(7);
        let calls = [
            (MailCatcher.list("/mail", 0), "GET /mail/messages"),
            (MailCatcher.one("/mail", &id).unwrap(), "GET /mail/messages/7.json"),
            (MailCatcher.source("/mail", &id), "GET /mail/messages/7.eml"),
            (MailCatcher.delete("/mail", &id), "DELETE /mail/messages/7"),
            (MailCatcher.delete_all(""), "DELETE /messages"),
        ];
        for (call, expected) in calls {
            assert_eq!(format!("{} {}", call.method, call.target), expected);
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(body: Vec<u8>) {
            let _ = (MailCatcher.page(0, &body), MailCatcher.message(&body), MailCatcher.event(&body));
        }
    }
}
