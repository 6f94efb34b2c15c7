//! Requests of which only the body says what they do: with Mailpit, whether a deletion is of some messages or of all.

use http::header::{self, HeaderValue};
use http::request::Parts;

use super::{App, Live, no_route};
use crate::auth::Identity;
use crate::body::Body;
use crate::catcher::{Action, Catcher};
use crate::forward;
use crate::permission::Permission;
use crate::reject::Reject;

impl App {
    /// Reads the body and says what `action` is by it: what is sent is written anew from that. Until then it takes the
    /// permission for the worst that it could be, and so it stays for somebody whose body is not worth reading.
    pub(super) async fn decided(
        &self,
        live: &Live,
        catcher: &'static dyn Catcher,
        identity: &Identity,
        action: Action,
        parts: &Parts,
        body: &mut Body,
    ) -> Result<Action, Reject> {
        let has = live.site.access.of(identity);
        if ![Permission::Delete, Permission::Clear].into_iter().any(|permission| has.contains(permission)) {
            return Ok(action);
        }
        let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
        if !parts.headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain) {
            return Err(Reject::BadRequest("the body is compressed, so it cannot be seen what it names"));
        }
        let limit = self.limits.body;
        let read = body.collected(limit).await.map_err(|why| forward::unread(why, limit))?;
        catcher.decided(action, &read).map_err(no_route)
    }
}
