//! Messages that a body names.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::Deserialize;

use super::{Action, NoRoute, Operation, Payload};
use crate::permission::Permission;

/// Such a name of a message as the catchers that have names give: short, and of letters that mean nothing in a path.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=' | b'@' | b'.' | b'+');
    (1..=128).contains(&text.len()) && text.bytes().all(plain) && !text.bytes().all(|byte| byte == b'.')
}

/// `{"IDs": [...]}`, or with the key in small letters. Anything beside it is refused: Go takes a key whatever its case, and
/// the last of several, so `{"IDs":["a"],"ids":[]}` would be everything to Mailpit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    #[serde(rename = "IDs", alias = "ids")]
    ids: Vec<String>,
}

const UNCLEAR: NoRoute = NoRoute::Ambiguous("the body names no messages in a form that is known");

/// The ids in a body; none if it is empty or names none.
///
/// # Errors
/// When it is anything else than such a list.
pub(super) fn named(body: &[u8], is_id: fn(&str) -> bool) -> Result<Option<BTreeSet<String>>, NoRoute> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_ok_and(|map| map.is_empty()) {
        return Ok(None);
    }
    let Named { ids } = serde_json::from_slice(body).map_err(|_| UNCLEAR)?;
    if !ids.iter().all(|id| is_id(id)) {
        return Err(UNCLEAR);
    }
    Ok(Some(ids.into_iter().collect()).filter(|ids: &BTreeSet<String>| !ids.is_empty()))
}

/// `action` for these messages and no others, as a body of our own says; `key` is the list's.
///
/// # Errors
/// Never, but that a list of names is always JSON.
pub(super) fn deleting(action: Action, key: &str, ids: &BTreeSet<String>) -> Result<Action, NoRoute> {
    let json = serde_json::to_vec(&serde_json::json!({ key: ids })).map_err(|_| UNCLEAR)?;
    Ok(Action {
        operation: Operation::Delete,
        permission: Permission::Delete,
        payload: Payload::Json(Bytes::from(json)),
        ..action
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_names_messages_in_one_way_only_is_read() {
        let set = |ids: &[&str]| Some(ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>());
        let read = |body: &str| named(body.as_bytes(), is_name);
        assert_eq!(read(r#"{"IDs":["a","b","a"]}"#), Ok(set(&["a", "b"])));
        assert_eq!(read(r#" {"ids":["x-Y_z=@mailhog.example"]} "#), Ok(set(&["x-Y_z=@mailhog.example"])));
        for nothing in ["", " \r\n", "{}", r#"{"IDs":[]}"#, r#"{"ids":[]}"#] {
            assert_eq!(read(nothing), Ok(None), "{nothing}");
        }
        for unclear in [
            r#"{"IDs":["a"],"ids":[]}"#,
            r#"{"IDs":["a"],"IDs":[]}"#,
            r#"{"IDs":["a"],"iDs":[]}"#,
            r#"{"IDs":["a"],"x":1}"#,
            r#"{"IDs":["a"]}{"IDs":[]}"#,
            r#"{"IDs":null}"#,
            r#"{"IDs":"a"}"#,
            r#"{"IDs":[""]}"#,
            r#"{"IDs":["a",1]}"#,
            r#"{"IDs":["../x"]}"#,
            r#"{"iDs":["a"]}"#,
            r#"["a"]"#,
            "null",
            "IDs=a",
            "\u{feff}{}",
            "{",
        ] {
            assert!(read(unclear).is_err(), "{unclear}");
        }
    }

    #[test]
    fn a_name_has_no_letter_that_means_something_in_a_path() {
        for name in ["", ".", "..", "a/b", "a%2Fb", "a b", "a?b", "\u{e4}", "a\\b", "a;b"] {
            assert!(!is_name(name), "{name}");
        }
        assert!(!is_name(&"a".repeat(129)) && is_name(&"a".repeat(128)));
    }

    proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>, text in "\\{?\"?(IDs|ids)?\"?:?\\[?(\"[a-z.]{0,3}\",?){0,3}\\]?\\}?") {
            for body in [&body[..], text.as_bytes()] {
                if let Ok(Some(ids)) = named(body, is_name) {
                    prop_assert!(!ids.is_empty() && ids.iter().all(|id| is_name(id)));
                }
            }
        }
    }
}
