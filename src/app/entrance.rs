//! How people get in: by `Authorization`, by what a cookie holds, or by where they are; and the login page.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::password::Shown;
use super::{App, Connected, Live, Secured, password};
use crate::access_log::{Auth, Record};
use crate::apart::apart;
use crate::auth::{AuthFailure, By, Identity, Proven, User};
use crate::body::{Body, Unread};
use crate::catcher::Operation;
use crate::client_addr::Client;
use crate::forward::headers::has_token;
use crate::guard::origin::{Origin, Public};
use crate::reject::{Form, LoginAgain, Reject, whole_seconds};
use crate::session::cookie::{self, SameSite, Set};
use crate::session::form::{self, Destination, LoginForm};
use crate::session::page::{self, Say};
use crate::session::{Given, Prefix, Seconds, Ticket, ticket, token};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// A request, as far as it decides who it is from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asks<'a> {
    pub(super) parts: &'a Parts,
    pub(super) client: Client,
    /// Whether it comes from this machine's own address.
    pub(super) from_here: bool,
    /// The port that it came to.
    pub(super) listening: Option<u16>,
    /// Whether it came by TLS, to the gate or by the word of its PROXY header.
    pub(super) secured: bool,
    /// What TLS of the gate's own says of its connection, if it came by that.
    pub(super) own_tls: Option<&'a Secured>,
    /// The credentials that were right on its connection last.
    pub(super) proven: &'a Proven,
    /// Whether it asks for the catcher's socket: what the route says, not the fields alone.
    pub(super) socket: bool,
}

impl<'a> Asks<'a> {
    pub(super) fn fields(&self) -> &'a HeaderMap {
        &self.parts.headers
    }

    fn public(&self) -> Public {
        Public::of(self.parts, self.client, self.secured, self.listening)
    }

    fn agent(&self) -> &[u8] {
        self.fields().get(header::USER_AGENT).map_or(b"", HeaderValue::as_bytes)
    }

    /// Whether it could do harm if another site began it: what only reads, no other site can read.
    fn is_dangerous(&self) -> bool {
        self.socket || !is_read(&self.parts.method)
    }

    /// Who began it.
    pub(super) fn origin(&self, live: &Live) -> Origin {
        self.public().origin(self.fields(), &live.allowed_origins)
    }

    /// The refusal of what another site began.
    pub(super) fn cross_site(&self) -> Reject {
        Reject::CrossSite(Box::new(self.public().foreign(self.fields())))
    }

    /// Whether a person follows a link with it, who can be shown a form instead.
    fn is_navigation(&self) -> bool {
        is_read(&self.parts.method)
            && !self.fields().contains_key(header::AUTHORIZATION)
            && !self.fields().contains_key(X_REQUESTED_WITH)
            && self.fields().get(SEC_FETCH_MODE).is_none_or(|mode| mode == "navigate")
            && !self.fields().contains_key(header::UPGRADE)
            && Form::preferred(self.fields()) == Form::Html
    }
}

/// Refuses what another site's page had a browser ask, where that could do harm. Whoever asks: a browser adds a password
/// that it was given as readily as a cookie. Programs say nothing of a site, and pass.
pub(super) fn check_origin(live: &Live, asks: Asks<'_>) -> Result<(), Reject> {
    if asks.is_dangerous() && asks.origin(live) == Origin::Other { Err(asks.cross_site()) } else { Ok(()) }
}

impl App {
    /// Who the request is from. `Authorization` decides where there is one; then a session, a ticket, the network.
    pub(super) async fn identity(
        &self,
        live: &Live,
        asks: Asks<'_>,
        record: &mut Option<Box<Record>>,
    ) -> Result<Identity, Reject> {
        if !asks.fields().contains_key(header::AUTHORIZATION)
            && let Some(identity) = self.without_password(live, asks, Seconds::of(SystemTime::now()))?
        {
            let event = match identity.by() {
                By::Password => Auth::Ok,
                By::Session(_) => Auth::Session,
                By::Ticket => Auth::Ticket,
                By::Certificate => Auth::Certificate,
                By::Network => Auth::Anonymous,
            };
            self.metrics.authenticated(event);
            if let Some(record) = record {
                record.auth(event, identity.header_value());
            }
            return Ok(identity);
        }
        self.by_password(live, asks, record).await.map_err(|reject| or_login_page(live, asks, reject))
    }

    /// Who it is from by what the browser adds by itself, whoever made it ask. Another site's page is refused later what
    /// could do harm; by a session it has to be proven that there is none, for programs have no sessions.
    fn without_password(&self, live: &Live, asks: Asks<'_>, now: Seconds) -> Result<Option<Identity>, Reject> {
        let has_cookies = asks.fields().contains_key(header::COOKIE);
        if has_cookies
            && live.login_page
            && let Some(identity) = self.session(live, asks, now)
        {
            return match asks.origin(live) {
                Origin::Other | Origin::Unsaid if asks.is_dangerous() => Err(asks.cross_site()),
                _ => Ok(Some(identity)),
            };
        }
        if let Some(certificate) = asks.own_tls.and_then(|secured| secured.certificate.as_ref())
            && let Some(user) = live.certified(certificate, SystemTime::now())
        {
            return Ok(Some(Identity::of_certificate(user, certificate)));
        }
        if has_cookies
            && asks.socket
            && let Some(identity) = self.ticket(live, asks, now)
        {
            return Ok(Some(identity));
        }
        let anonymous = live.anonymous.as_ref().filter(|_| !asks.from_here);
        Ok(anonymous.and_then(|who| who.identity(asks.client, asks.fields(), &live.trusted_proxies)))
    }

    fn session(&self, live: &Live, asks: Asks<'_>, now: Seconds) -> Option<Identity> {
        let name = cookie::session_name(&asks.public());
        cookie::values(asks.fields(), &name).find_map(|value| self.sessions.find(value, &live.users, now))
    }

    /// A ticket is worth something for the socket only, and only when a page of this site opens it.
    fn ticket(&self, live: &Live, asks: Asks<'_>, now: Seconds) -> Option<Identity> {
        if !asks.fields().contains_key(header::ORIGIN) || asks.origin(live) != Origin::Same {
            return None;
        }
        let user = self.good_tickets(live, asks, now).next()?.1;
        Some(crate::session::of_ticket(user))
    }

    /// The tickets that a request holds and that are good here and now, with the user of each.
    pub(super) fn good_tickets<'a>(
        &'a self,
        live: &'a Live,
        asks: Asks<'a>,
        now: Seconds,
    ) -> impl Iterator<Item = (&'a [u8], &'a Arc<User>)> {
        let (signer, prefix) = (self.sessions.tickets(), Prefix::of(asks.client.addr));
        let name = cookie::ticket_name(&asks.public());
        let values: Vec<_> = cookie::values(asks.fields(), &name).collect();
        values.into_iter().filter_map(move |value| {
            let user = Ticket::read(value)?.user(signer, &live.users, prefix, asks.agent(), now)?;
            Some((value, user))
        })
    }

    /// A new ticket as a cookie, for whoever was let in by a password and has none that is fresh.
    pub(super) fn new_ticket(
        &self,
        live: &Live,
        identity: &Identity,
        operation: Operation,
        asks: Asks<'_>,
        connected: &Connected,
    ) -> Option<HeaderValue> {
        let user = identity.user().filter(|_| identity.by() == By::Password)?;
        // What caches keep, and what has no answer that a cookie could stand in.
        if matches!(operation, Operation::Asset) || operation.is_upgrade() {
            return None;
        }
        let now = Seconds::of(SystemTime::now());
        // The inbox page is not below the ticket's path, and opens the socket: it always gets one.
        let is_fresh = |given: &Given| given.is_fresh(user.name(), asks.client.addr, now);
        let is_page = matches!(operation, Operation::Page | Operation::App);
        if !is_page && connected.given().as_ref().is_some_and(is_fresh) {
            return None;
        }
        let public = asks.public();
        let name = cookie::ticket_name(&public);
        let seems_fresh = |value| Ticket::read(value).is_some_and(|ticket| ticket.seems_fresh(user.name(), now));
        if cookie::values(asks.fields(), &name).any(seems_fresh) {
            return None;
        }
        *connected.given() = Some(Given::new(user.name().clone(), asks.client.addr, now));
        let prefix = Prefix::of(asks.client.addr);
        let value = Ticket::issue(self.sessions.tickets(), user, prefix, asks.agent(), now);
        let path = &live.site.socket_path;
        let same_site = SameSite::Strict;
        Set { name: &name, value: &value, path, max_age: ticket::LIFETIME, same_site, secure: public.https }.header()
    }

    /// The answer of the login page or the logout, if one of them was asked for and there are any.
    pub(super) async fn entrance(
        &self,
        live: &Live,
        asks: Asks<'_>,
        body: &mut Body,
        record: &mut Option<Box<Record>>,
    ) -> Option<Result<Response<Body>, Reject>> {
        match asks.parts.uri.path() {
            _ if !live.login_page => None,
            page::LOGIN if asks.parts.method == Method::POST => {
                Some(apart(|| self.log_in(live, asks, body, record)).await)
            }
            page::LOGIN if is_read(&asks.parts.method) => Some(Ok(self.login_page(live, asks))),
            page::LOGIN => Some(Err(Reject::MethodNotAllowed("GET, HEAD, POST"))),
            page::LOGOUT if asks.parts.method == Method::POST => Some(self.log_out(live, asks)),
            page::LOGOUT => Some(Err(Reject::MethodNotAllowed("POST"))),
            _ => None,
        }
    }

    fn login_page(&self, live: &Live, asks: Asks<'_>) -> Response<Body> {
        let query = asks.parts.uri.query();
        let page = match self.session(live, asks, Seconds::of(SystemTime::now())) {
            Some(identity) => {
                let name = identity.name().map_or_else(String::new, |name| name.to_string());
                page::logged_in(&live.realm, &name, &live.home())
            }
            None => {
                let to = Destination::of_query(query);
                let done = (query == Some(page::LOGGED_OUT)).then_some(Say::Done("You are logged out."));
                page::Form { realm: &live.realm, user: "", to: to.as_ref(), say: done }.page()
            }
        };
        page::response(StatusCode::OK, page)
    }

    async fn log_in(
        &self,
        live: &Live,
        asks: Asks<'_>,
        body: &mut Body,
        record: &mut Option<Box<Record>>,
    ) -> Result<Response<Body>, Reject> {
        let public = asks.public();
        if asks.origin(live) != Origin::Same {
            return Err(asks.cross_site());
        }
        if !asks.fields().get(header::CONTENT_TYPE).is_some_and(|kind| form::is_form(kind.as_bytes())) {
            return Err(Reject::BadRequest("the login is not sent as a form"));
        }
        let form = LoginForm::read(&body.collected(form::LONGEST).await.map_err(unread)?);
        let result = match form.credentials() {
            Ok(credentials) => {
                let shown = Shown { app: self, live, asks };
                self.auth.authenticate_with(&credentials, shown.sender(), &live.users, Instant::now()).await
            }
            Err(malformed) => Err(malformed.into()),
        };
        let throttled = result.as_ref().is_err_and(|refusal| refusal.failure == AuthFailure::Throttled);
        let judged = self.judged(live, asks, result, record);
        if let Some(record) = record.as_mut().filter(|_| throttled) {
            record.auth(Auth::Throttled, password::known(live, &form.user));
        }
        let identity = judged.map_err(|why| again(live, &form, why))?;
        let now = Seconds::of(SystemTime::now());
        let value = identity.user().and_then(|user| self.sessions.begin(user, now));
        let value = value.ok_or(Reject::Internal("no session can be begun"))?;
        let to = form.to.as_ref().map_or_else(|| live.home(), |to| to.as_str().to_owned());
        let mut response = page::see_other(&to);
        add_cookie(&mut response, &session_cookie(&public, &value, token::LIFETIME));
        Ok(response)
    }

    fn log_out(&self, live: &Live, asks: Asks<'_>) -> Result<Response<Body>, Reject> {
        let public = asks.public();
        if asks.origin(live) != Origin::Same {
            return Err(asks.cross_site());
        }
        if let Some(identity) = self.session(live, asks, Seconds::of(SystemTime::now())) {
            self.sessions.end(&identity);
            let ended = self.tunnels.look_again();
            tracing::info!(user = %identity, tunnels_ended = ended, "logged out");
        }
        let mut response = page::see_other(&format!("{}?{}", page::LOGIN, page::LOGGED_OUT));
        add_cookie(&mut response, &session_cookie(&public, "", 0));
        Ok(response)
    }
}

/// The cookie of a session; the browser forgets it when the session is over.
fn session_cookie(public: &Public, value: &str, max_age: u64) -> Option<HeaderValue> {
    let (name, secure) = (cookie::session_name(public), public.https);
    Set { name: &name, value, path: "/", max_age, same_site: SameSite::Lax, secure }.header()
}

fn add_cookie(response: &mut Response<Body>, cookie: &Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
}

/// Adds a ticket to an answer, unless a cache between us and the browser might keep it and give it to others: only what
/// is marked for all is kept of an answer to `Authorization` (RFC 9111 section 3.5).
pub(super) fn add_ticket(response: &mut Response<Body>, ticket: Option<HeaderValue>) {
    if ticket.is_none() {
        return;
    }
    const FOR_ALL: [&str; 4] = ["public", "must-revalidate", "immutable", "proxy-revalidate"];
    let fields = response.headers();
    let is_for_all = FOR_ALL.iter().any(|word| has_token(fields, header::CACHE_CONTROL, word))
        || fields
            .get_all(header::CACHE_CONTROL)
            .iter()
            .any(|line| line.as_bytes().windows(8).any(|w| w == b"s-maxage"));
    if !is_for_all {
        add_cookie(response, &ticket);
    }
}

/// Whoever has no credentials and can fill in a form is led there and back; programs get their 401 as ever.
pub(super) fn or_login_page(live: &Live, asks: Asks<'_>, reject: Reject) -> Reject {
    if !live.login_page || !matches!(reject, Reject::Unauthorized { .. }) || !asks.is_navigation() {
        return reject;
    }
    let way = asks.parts.uri.path_and_query().and_then(|way| Destination::parse(way.as_str()));
    match way.filter(|way| way.as_str() != "/") {
        Some(way) => Reject::LogIn(format!("{}?{}", page::LOGIN, way.to_query())),
        None => Reject::LogIn(page::LOGIN.to_owned()),
    }
}

/// The form once more, with what was wrong above it.
fn again(live: &Live, form: &LoginForm, why: Reject) -> Reject {
    let say = match &why {
        Reject::Unauthorized { .. } => "That user name and password do not fit.".to_owned(),
        Reject::TooManyGuesses { retry_after, .. } => {
            format!(
                "There were too many wrong passwords. Wait {} seconds, then log in again.",
                whole_seconds(*retry_after)
            )
        }
        other => other.sentences(),
    };
    let say = Some(Say::Fault(&say));
    let user = String::from_utf8_lossy(&form.user);
    let page = page::Form { realm: &live.realm, user: &user, to: form.to.as_ref(), say }.page();
    Reject::LoginAgain(Box::new(LoginAgain { why, page }))
}

fn unread(why: Unread) -> Reject {
    use crate::body::BodyError;
    match why {
        Unread::TooLarge => Reject::BodyTooLarge(form::LONGEST),
        Unread::Failed(BodyError::Stalled(_)) => Reject::BodyTimeout,
        Unread::Failed(BodyError::Broken(_) | BodyError::Short(_)) => Reject::BodyBroken,
    }
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}
