//! Which catcher it is, by what it answers. Pure: whoever wants to know asks, with GETs that change nothing.
//!
//! Its page raises a suspicion, and one answer of its interface has to prove it. A program that is neither is none.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::config::model::CatcherKind;

/// Where its page is, below the prefix. It is asked for as a browser does: MailDev 3 has none for others.
pub const PAGE: &str = "/";

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The body, or its beginning.
    pub body: &'a [u8],
}

/// The catcher that has such a page, if one has.
#[must_use]
pub fn suspect(page: Answer<'_>) -> Option<CatcherKind> {
    if page.status != 200 {
        return None;
    }
    let holds = |text: &str| page.body.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()));
    let titled = |title: &str| holds(&format!("<title>{title}"));
    [
        (titled("MailCatcher"), CatcherKind::MailCatcher),
        (titled("MailDev") && holds("components/angular/"), CatcherKind::MailDev2),
        (titled("MailDev") && holds("id=\"root\""), CatcherKind::MailDev3),
        (titled("MailDump"), CatcherKind::MailDump),
        (titled("Mailtutan"), CatcherKind::Mailtutan),
        (titled("Mailpit"), CatcherKind::Mailpit),
        (titled("MailHog"), CatcherKind::MailHog),
    ]
    .into_iter()
    .find_map(|(fits, kind)| fits.then_some(kind))
}

/// Where such a catcher says something that no other says, below the prefix. Message 0 is never there.
#[must_use]
pub fn proof(kind: CatcherKind) -> &'static str {
    match kind {
        CatcherKind::MailCatcher | CatcherKind::MailDump => "/messages/0.json",
        CatcherKind::MailDev2 => "/config",
        CatcherKind::MailDev3 => "/api/config",
        CatcherKind::Mailtutan => "/api/version",
        CatcherKind::Mailpit => "/api/v1/info",
        CatcherKind::MailHog => "/api/v2/messages?limit=1",
        CatcherKind::Generic | CatcherKind::Auto => PAGE,
    }
}

/// Whether `answer`, to [`proof`], is that catcher's.
#[must_use]
pub fn is_proof(kind: CatcherKind, answer: Answer<'_>) -> bool {
    let object = || serde_json::from_slice::<Map<String, Value>>(answer.body).unwrap_or_default();
    let ok = answer.status == 200;
    match kind {
        // A page of its own, or nothing: not JSON at all.
        CatcherKind::MailCatcher => answer.status == 404 && serde_json::from_slice::<IgnoredAny>(answer.body).is_err(),
        CatcherKind::MailDump => answer.status == 404 && object().contains_key("msg"),
        CatcherKind::MailDev2 | CatcherKind::MailDev3 => {
            #[derive(Deserialize)]
            struct Config {
                version: String,
                #[serde(rename = "isOutgoingEnabled")]
                _outgoing: bool,
            }
            let major = if kind == CatcherKind::MailDev2 { "2." } else { "3." };
            ok && serde_json::from_slice::<Config>(answer.body).is_ok_and(|config| config.version.starts_with(major))
        }
        CatcherKind::Mailtutan => ok && object().keys().eq(["version"]),
        CatcherKind::Mailpit => ok && object().contains_key("Version"),
        CatcherKind::MailHog => {
            let list = object();
            ok && ["total", "count", "start", "items"].into_iter().all(|key| list.contains_key(key))
        }
        CatcherKind::Generic | CatcherKind::Auto => false,
    }
}

/// The catcher that gives these answers: `answer` tells the one to a GET of a target, [`PAGE`] first and then what the
/// suspicion asks for; none if there was none.
#[must_use]
pub fn recognise<'a>(answer: impl Fn(&str) -> Option<Answer<'a>>) -> Option<CatcherKind> {
    let kind = suspect(answer(PAGE)?)?;
    answer(proof(kind)).filter(|proof| is_proof(kind, *proof)).map(|_| kind)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: [(CatcherKind, &str, u16, &str); 7] = [
        (CatcherKind::MailCatcher, "<title>MailCatcher</title>", 404, "<h1>No Dice</h1>"),
        (
            CatcherKind::MailDev2,
            "<title>MailDev</title><script src=\"components/angular/angular.min.js\">",
            200,
            r#"{"version":"2.2.1","smtpPort":1025,"isOutgoingEnabled":false,"outgoingHost":null}"#,
        ),
        (
            CatcherKind::MailDev3,
            "<title>MailDev</title><div id=\"root\">",
            200,
            r#"{"version":"3.0.0","smtpPort":1025,"isOutgoingEnabled":false,"outgoingHost":null}"#,
        ),
        (CatcherKind::MailDump, "<title>MailDump</title>", 404, r#"{"msg":"message does not exist"}"#),
        (CatcherKind::Mailtutan, "<title>Mailtutan</title>", 200, r#"{"version":"0.3.0"}"#),
        (CatcherKind::Mailpit, "<title>Mailpit</title>", 200, r#"{"Version":"v1.30.5","Database":"x","Messages":0}"#),
        (CatcherKind::MailHog, "<title>MailHog</title>", 200, r#"{"total":0,"count":0,"start":0,"items":[]}"#),
    ];

    fn recognised(page: &str, asked: &str, status: u16, body: &str) -> Option<CatcherKind> {
        recognise(|target| {
            Some(match target {
                PAGE => Answer { status: 200, body: page.as_bytes() },
                _ if target == asked => Answer { status, body: body.as_bytes() },
                _ => Answer { status: 404, body: b"not found" },
            })
        })
    }

    #[test]
    fn each_is_known_by_its_page_and_its_proof_and_by_no_others() {
        for (kind, page, status, body) in KNOWN {
            assert_eq!(recognised(page, proof(kind), status, body), Some(kind));
            for (other, _, status, body) in KNOWN.into_iter().filter(|(other, ..)| *other != kind) {
                assert_eq!(recognised(page, proof(kind), status, body), None, "{kind} with the proof of {other}");
            }
        }
    }

    #[test]
    fn what_is_no_catcher_is_not_recognised() {
        for page in ["", "<title>Welcome to nginx!</title>", "<title>MailDev</title>", "MailCatcher"] {
            assert_eq!(recognised(page, "/messages/0.json", 404, ""), None, "{page}");
        }
        let page = Answer { status: 503, body: b"<title>MailCatcher</title>" };
        assert_eq!(suspect(page), None);
        assert_eq!(recognise(|_| None), None);
    }

    proptest! {
        #[test]
        fn no_answer_panics(status: u16, body: Vec<u8>) {
            let answer = Answer { status, body: &body };
            let _ = suspect(answer);
            for (kind, ..) in KNOWN {
                let _ = is_proof(kind, answer);
            }
        }
    }
}
