//! By a password: what became of credentials, for the log, the metrics and the answer.

use std::time::{Instant, SystemTime};

use http::HeaderValue;

use super::entrance::Asks;
use super::{App, Live};
use crate::access_log::{Auth, Record};
use crate::auth::{
    AuthFailure, Credentials, Evidence, Identity, Malformed, Refusal, Sender, User, UserName, is_a_proxys,
};
use crate::reject::Reject;
use crate::session::Seconds;

impl App {
    /// Who the user is by the password in his request.
    pub(super) async fn by_password(
        &self,
        live: &Live,
        asks: Asks<'_>,
        record: &mut Option<Box<Record>>,
    ) -> Result<Identity, Reject> {
        let shown = Shown { app: self, live, asks };
        let result = self.auth.authenticate(asks.fields(), shown.sender(), &live.users, Instant::now()).await;
        self.judged(live, asks, result, record)
    }

    /// Counts and records what became of credentials, and says what is answered to wrong ones.
    pub(super) fn judged(
        &self,
        live: &Live,
        asks: Asks<'_>,
        result: Result<Identity, Refusal>,
        record: &mut Option<Box<Record>>,
    ) -> Result<Identity, Reject> {
        let (event, user, reason) = match result.as_ref().map_err(|refusal| &refusal.failure) {
            Ok(identity) => (Auth::Ok, identity.header_value(), ""),
            Err(AuthFailure::NoCredentials) => (Auth::NoCredentials, None, "no credentials"),
            Err(AuthFailure::Malformed(Malformed::OtherScheme)) => {
                (Auth::NoCredentials, None, "another scheme than Basic")
            }
            Err(AuthFailure::Malformed(_)) => (Auth::Malformed, None, "malformed credentials"),
            Err(AuthFailure::UnknownUser) => (Auth::UnknownUser, None, "unknown user"),
            Err(AuthFailure::RefusedLine { user }) => (Auth::RefusedLine, named(user), "refused line"),
            Err(AuthFailure::WrongPassword { user }) => (Auth::WrongPassword, named(user), "wrong password"),
            Err(AuthFailure::Throttled) => (Auth::Throttled, sent(live, &asks.parts.headers), "throttled"),
            Err(AuthFailure::Busy) => (Auth::Busy, None, "verification busy"),
            Err(_) => (Auth::Busy, None, "password could not be checked"),
        };
        self.metrics.authenticated(event);
        if let Some(record) = record {
            record.auth(event, user);
        }
        result.map_err(|refusal| match (refusal.failure, refusal.retry_after) {
            (AuthFailure::Busy, _) => Reject::Busy,
            (_, Some(retry_after)) => Reject::TooManyGuesses { retry_after, reason },
            (AuthFailure::NoCredentials | AuthFailure::Malformed(_), None) => live.unauthorized(reason),
            (AuthFailure::UnknownUser | AuthFailure::RefusedLine { .. } | AuthFailure::WrongPassword { .. }, None) => {
                // A page that is open sends what the browser holds again and again: each answer with a challenge would
                // open a window that asks, and its user has typed nothing.
                let challenge = (!is_script(&asks.parts.headers)).then(|| live.challenge.clone());
                Reject::Unauthorized { challenge, reason }
            }
            _ => Reject::Internal(reason),
        })
    }
}

/// What a request shows beside its password.
pub(super) struct Shown<'a> {
    pub(super) app: &'a App,
    pub(super) live: &'a Live,
    pub(super) asks: Asks<'a>,
}

impl Shown<'_> {
    /// Who sends it.
    pub(super) fn sender(&self) -> Sender<'_> {
        Sender { client: self.asks.client.addr, proven: Some(self.asks.proven), evidence: Some(self) }
    }
}

impl Evidence for Shown<'_> {
    fn is_alone(&self) -> bool {
        // A proxy that nobody listed as trusted has its clients' requests on one connection as well as one that is.
        !self.asks.client.peer_is_trusted && !self.asks.fields().keys().any(is_a_proxys)
    }

    fn ticket(&self, user: &User) -> Option<Vec<u8>> {
        let now = Seconds::of(SystemTime::now());
        let mut tickets = self.app.good_tickets(self.live, self.asks, now);
        tickets.find(|(_, holder)| holder.name() == user.name()).map(|(value, _)| value.to_vec())
    }
}

/// Whether a script of a page asks, as jQuery marks it, or as browsers do where they mark it at all.
fn is_script(headers: &http::HeaderMap) -> bool {
    let is = |name: &str, value: &str| {
        headers.get(name).is_some_and(|sent| sent.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    };
    !is("sec-fetch-mode", "navigate") && (is("x-requested-with", "XMLHttpRequest") || is("sec-fetch-dest", "empty"))
}

/// The name in a request's credentials, if the file has it: others are not logged, people type passwords there.
fn sent(live: &Live, fields: &http::HeaderMap) -> Option<HeaderValue> {
    known(live, Credentials::from_headers(fields).ok()??.user())
}

/// The name, if the file has it, for the log.
pub(super) fn known(live: &Live, name: &[u8]) -> Option<HeaderValue> {
    let user = live.users.get(name).map(|user| user.name());
    user.or_else(|| live.users.refused(name)).and_then(named)
}

/// The name of a user whom the file has, for the log.
fn named(user: &UserName) -> Option<HeaderValue> {
    HeaderValue::from_bytes(user.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_by_its_marks_and_a_navigation_is_none() {
        let asked = |fields: &[(&'static str, &'static str)]| {
            let fields = fields
                .iter()
                .map(|(name, value)| (http::header::HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_script(&fields.collect())
        };
        assert!(asked(&[("x-requested-with", "XMLHttpRequest")]));
        assert!(asked(&[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]));
        for other in [
            &[][..],
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
            &[("sec-fetch-mode", "navigate"), ("x-requested-with", "XMLHttpRequest")],
            &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            &[("user-agent", "curl/8"), ("accept", "*/*")],
        ] {
            assert!(!asked(other), "{other:?}");
        }
    }
}
