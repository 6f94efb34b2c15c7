//! What people read of a refusal.

use super::{Reject, UpstreamFault, whole_seconds};

impl Reject {
    /// Two sentences for the person: what happened, and what to do.
    pub(super) fn text(&self) -> (String, String) {
        let s = str::to_owned;
        match self {
            Reject::BadRequest(reason) => {
                (s("This request cannot be understood."), format!("The gate refused it: {reason}."))
            }
            Reject::Unauthorized { .. } => (
                s("A user name and password are needed here."),
                s("Reload the page and log in, or ask whoever runs this server for an account."),
            ),
            Reject::TooManyGuesses { retry_after, .. } => (
                s("Too many wrong passwords were sent from your address."),
                format!(
                    "Wait {} seconds, then reload the page and log in again. Whoever is logged in already is not affected.",
                    whole_seconds(*retry_after)
                ),
            ),
            Reject::Forbidden { missing, has } => (
                format!("You are logged in, but not allowed to do this: it takes the permission \"{missing}\"."),
                format!(
                    "You have: {has}. Whoever runs this server can grant it to you, to a group or to everybody, under [access] in Mailwarden's configuration."
                ),
            ),
            Reject::CrossSite(foreign) => (
                s("Another site had your browser ask for this, so it was refused."),
                format!(
                    "It comes from {}, and this is {}. Open the inbox itself, and do it there. If you did: a proxy before the gate has to pass on Host as it came, with its port. If that site may do so: whoever runs this server can add its origin to \"allowed_origins\" in Mailwarden's configuration.",
                    foreign.origin.as_deref().unwrap_or("a site that the browser does not name"),
                    foreign.host.as_deref().unwrap_or("a server that was asked by no name"),
                ),
            ),
            Reject::ServiceWorker => (
                s("A mail cannot become a service worker."),
                s("Nothing is wrong with the inbox; a script somewhere asked for this."),
            ),
            Reject::WrongHost => (
                s("This server is not known by the name that you asked for."),
                s("Whoever runs it can add the name to \"hosts\" in Mailwarden's configuration."),
            ),
            Reject::Certificate => (
                s("The certificate that this connection began with is not taken here any more."),
                s(
                    "Connect again, with one that is: close the browser's window, or have the program open a new connection.",
                ),
            ),
            Reject::LogIn(_) => (s("Log in first."), s("There is a page for that.")),
            Reject::LoginAgain(again) => again.why.text(),
            Reject::NotFound => (s("There is nothing at this address."), s("The inbox is at the top of this site.")),
            Reject::MethodNotAllowed(allow) => (
                s("This address does not take requests of that method."),
                if allow.is_empty() { s("The gate never forwards it.") } else { format!("It takes {allow}.") },
            ),
            Reject::Elsewhere(to) => (s("The inbox lives elsewhere."), format!("It is at {to}.")),
            Reject::ByTls(_) => (
                s("This server is used by https, so that nobody on the way reads passwords and mails."),
                s("Write https:// in front of its address, if you are not taken there."),
            ),
            Reject::BrokenList(Some(id)) => (
                format!("The mail catcher cannot list its messages because of message {id}."),
                format!("Delete that one with DELETE /messages/{id}, or clear the inbox."),
            ),
            Reject::BrokenList(None) => (
                s(
                    "The mail catcher cannot list its messages: it cannot read one's subject, which was not found in time.",
                ),
                s("Try again in a minute, or clear the inbox."),
            ),
            Reject::BodyTimeout => (s("The request's body did not arrive in time."), s("Send it again.")),
            Reject::BodyBroken => (s("The request's body broke off or was not in order."), s("Send it again.")),
            Reject::BodyTooLarge(limit) => (
                format!("The request's body is larger than {limit} bytes."),
                s("The limit is limits.body in Mailwarden's configuration; the login page has one of its own."),
            ),
            Reject::HeadTooLarge => (
                s("The request's head is longer than the gate takes."),
                s("Cookies of other programs on this host may be the reason: remove them, or have limits.head raised."),
            ),
            Reject::ExpectationFailed => {
                (s("The request expects something that the gate does not know."), s("Only 100-continue is known."))
            }
            Reject::UpgradeRequired => {
                (s("This WebSocket version is not spoken here."), s("Version 13 is (RFC 6455)."))
            }
            Reject::NoSocket => (s("There is no WebSocket at this address."), s("It takes ordinary requests.")),
            Reject::Protocol => {
                (s("The gate opens tunnels for WebSockets only."), s("Other protocols have to take another way."))
            }
            Reject::TransferCoding => {
                (s("The request's transfer coding is not known here."), s("Only chunked is (RFC 9112)."))
            }
            Reject::TooMany => {
                (s("Too many requests from your address are under way at once."), s("Try again in a few seconds."))
            }
            Reject::Busy => (
                s("Too many passwords are being checked at this moment."),
                s("Try again in a few seconds; whoever is logged in already is not affected."),
            ),
            Reject::Internal(_) => (
                s("The gate failed to handle this request."),
                s("Its log says why; whoever runs this server can read it."),
            ),
            Reject::Upstream(UpstreamFault::ConnectTimeout(_) | UpstreamFault::AnswerTimeout(_)) => (
                s("The mail catcher takes too long to answer."),
                s(
                    "It may be busy with a large inbox: try again in a minute. If it stays so, restart the mail catcher.",
                ),
            ),
            Reject::Upstream(UpstreamFault::Unresolved(_) | UpstreamFault::Unreachable(_)) => (
                s("The mail catcher cannot be reached."),
                s(
                    "It is not running, or not where upstream.url in Mailwarden's configuration points. Start it and reload this page.",
                ),
            ),
            Reject::Unrecognised => (
                s("What answers in the mail catcher's place is not recognised, so nothing is passed on to it."),
                s(
                    "It may still be starting: reload this page. If it stays so, whoever runs this server can name it in upstream.catcher in Mailwarden's configuration.",
                ),
            ),
            Reject::Upstream(_) => (
                s("The mail catcher broke off or gave an answer that cannot be used."),
                s("It may have been stopped just now: reload this page. If it stays so, look at its log."),
            ),
        }
    }
}
