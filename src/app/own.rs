//! What the inbox page asks the gate itself, once it is known who is asking.

use http::Response;

use super::entrance::{Asks, add_ticket, or_login_page};
use super::{App, Connected, Live};
use crate::auth::{By, Identity};
use crate::body::Body;
use crate::catcher::Operation;
use crate::page::served::{self, Me, Own};
use crate::permission::Permission;
use crate::reject::Reject;

impl App {
    /// The answer to what lies in the gate's own area: like the page, for whoever may view.
    pub(super) fn own(
        &self,
        live: &Live,
        own: Own,
        asks: Asks<'_>,
        identity: &Identity,
        connected: &Connected,
    ) -> Result<Response<Body>, Reject> {
        let permissions = live.site.access.of(identity);
        if !permissions.contains(Permission::View) {
            return Err(match identity.by() {
                By::Network => or_login_page(live, asks, live.unauthorized("no credentials")),
                _ => Reject::Forbidden { missing: Permission::View, has: permissions },
            });
        }
        let method = &asks.parts.method;
        match own {
            Own::Script => served::script(method, &asks.parts.headers),
            Own::Me => {
                let mut response = Me::new(identity, permissions, live.login_page).response(method)?;
                // Before each new socket it is asked who is there: that has to renew what opens the socket.
                let ticket = self.new_ticket(live, identity, Operation::Other, asks, connected);
                add_ticket(&mut response, ticket);
                Ok(response)
            }
        }
    }
}

/// Where people log in by a page, the browser is not to put its own question before them because a script asked who is
/// there (against RFC 9110 section 15.5.2).
pub(super) fn without_question(live: &Live, own: Option<Own>, reject: Reject) -> Reject {
    match reject {
        Reject::Unauthorized { reason, .. } if live.login_page && own == Some(Own::Me) => {
            Reject::Unauthorized { challenge: None, reason }
        }
        other => other,
    }
}
