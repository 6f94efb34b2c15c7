//! Clear text beside TLS: who is sent to https, and who is told to come back by nothing else.

use http::HeaderMap;
use http::header::HeaderValue;
use http::request::Parts;

use super::{App, Connected, Live};
use crate::client_addr::Client;
use crate::guard::origin::{self, Public};
use crate::guard::redirect;
use crate::reject::Reject;

impl App {
    /// Sends on what came in clear text, where the configuration says so.
    ///
    /// # Errors
    /// The redirect, or the reason why there is none to be had.
    pub(super) fn by_tls(&self, public: impl FnOnce() -> Public, parts: &Parts) -> Result<(), Reject> {
        let Some(port) = self.redirect else { return Ok(()) };
        let public = public();
        if public.https { Ok(()) } else { Err(redirect::to_https(&public, parts, port)) }
    }

    /// What a browser is told of coming back, if it came by TLS (RFC 6797 section 7.2) and is to be told anything.
    pub(super) fn hsts(&self, live: &Live, fields: &HeaderMap, connected: &Connected) -> Option<HeaderValue> {
        let told = live.hsts.as_ref()?;
        let peer = Client { addr: connected.peer, peer_is_trusted: self.trusts(connected.peer) };
        origin::is_https(fields, peer, connected.is_secured()).then(|| told.clone())
    }
}
