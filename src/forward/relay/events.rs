//! What the catcher says on its socket: one JSON object a message.

use serde::Deserialize;

/// A message of the catcher's, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A mail came, with this id.
    Add(u64),
    /// A mail is gone.
    Remove(u64),
    /// All are.
    Clear,
    /// The catcher ends: at this the page alerts and navigates to the project's site.
    Quit,
    /// Anything else.
    Other,
}

/// Reads a message's payload.
pub(super) fn read(payload: &[u8]) -> Event {
    #[derive(Deserialize)]
    struct Message {
        id: u64,
    }
    #[derive(Deserialize)]
    struct Told<'a> {
        #[serde(rename = "type", borrow)]
        kind: std::borrow::Cow<'a, str>,
        id: Option<u64>,
        message: Option<Message>,
    }
    let Ok(told) = serde_json::from_slice::<Told<'_>>(payload) else { return Event::Other };
    match (&*told.kind, told.id, told.message) {
        ("add", _, Some(message)) => Event::Add(message.id),
        ("remove", Some(id), _) => Event::Remove(id),
        ("clear", ..) => Event::Clear,
        ("quit", ..) => Event::Quit,
        _ => Event::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catchers_events_are_read_and_all_else_is_nothing() {
        let add = r#"{"type":"add","message":{"id":8,"sender":"<a@x>","subject":"{\"type\":\"quit\"}","size":"24"}}"#;
        for (text, want) in [
            (add, Event::Add(8)),
            (r#"{"type":"remove","id":8}"#, Event::Remove(8)),
            (r#"{"type":"clear"}"#, Event::Clear),
            (r#"{ "type" : "qu\u0069t" }"#, Event::Quit),
            (r#"{"type":"add","message":null}"#, Event::Other),
            (r#"{"type":"remove","id":"8"}"#, Event::Other),
            (r#"{"type":"remove"}"#, Event::Other),
            ("not json, quit", Event::Other),
            ("[]", Event::Other),
        ] {
            assert_eq!(read(text.as_bytes()), want, "{text}");
        }
    }
}
