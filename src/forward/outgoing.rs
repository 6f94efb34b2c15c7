//! Which of a request's fields go to the catcher, and what is added: decided once, for whoever writes them.
//!
//! The order of [`super::headers`] holds by construction: every field that came is asked for by itself whether it goes, by
//! all the `Connection` lines that came, and ours are added to what is left, where no field that came can take them away.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::headers::{
    Believed, Way, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_FORWARDED_USER, X_REAL_IP, address_value, appended, is_claim,
    is_hop_by_hop, is_method_override, named_by_connection,
};
use crate::client_addr::X_FORWARDED_FOR;
use crate::session::cookie;

static HTTP: HeaderValue = HeaderValue::from_static("http");
static HTTPS: HeaderValue = HeaderValue::from_static("https");
static JSON: HeaderValue = HeaderValue::from_static("application/json");
static NOUGHT: HeaderValue = HeaderValue::from_static("0");

/// What becomes of the fields that describe a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Described {
    /// They go as they came.
    AsItCame,
    /// They go, and with them the length of a body that is none.
    AsEmpty,
    /// None goes, for no body does.
    NotAtAll,
    /// The body is the gate's own JSON.
    AsJson,
}

/// What depends on the action and on the catcher.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Whether it is a WebSocket handshake, whose fields go.
    pub is_handshake: bool,
    /// Whether fields go that ask to be taken for another method.
    pub takes_overrides: bool,
    /// Whether the catcher reads cookies, ours apart.
    pub takes_cookies: bool,
    /// What is said of the body; its length is written when it is sent.
    pub described: Described,
}

/// The fields of one request to the catcher.
#[derive(Debug)]
pub struct Outgoing<'a> {
    came: &'a HeaderMap,
    named: Vec<HeaderName>,
    rules: Rules,
    host: &'a HeaderValue,
    login: Option<&'a HeaderValue>,
    client: Option<Cow<'a, HeaderValue>>,
    forwarded_for: Option<Cow<'a, HeaderValue>>,
    forwarded_host: Option<Cow<'a, HeaderValue>>,
    proto: Cow<'a, HeaderValue>,
    user: Option<HeaderValue>,
}

impl<'a> Outgoing<'a> {
    /// What goes of the fields that `came` by `way`, for `user`, to a catcher that is at `authority` and may have a `login`
    /// of its own.
    #[must_use]
    pub fn new(
        came: &'a HeaderMap,
        rules: Rules,
        way: &'a Way<'_>,
        user: Option<HeaderValue>,
        authority: &'a HeaderValue,
        login: Option<&'a HeaderValue>,
    ) -> Self {
        let believed = Believed::take(came, way.client);
        let is_peer = way.client.addr == way.peer;
        Self {
            came,
            named: named_by_connection(came),
            rules,
            host: way.host.as_ref().unwrap_or(authority),
            login,
            client: match is_peer {
                true => way.peer_value.map(Cow::Borrowed),
                false => address_value(way.client.addr).map(Cow::Owned),
            },
            forwarded_for: appended(&believed.forwarded_for, way.peer_value),
            forwarded_host: believed.host.map(Cow::Owned).or(way.host.as_ref().map(Cow::Borrowed)),
            proto: match believed.proto {
                _ if way.secured => Cow::Borrowed(&HTTPS),
                Some(proto) => Cow::Owned(proto),
                None => Cow::Borrowed(&HTTP),
            },
            user,
        }
    }

    /// Every line that goes, the lines of one name together.
    pub fn each(&self, mut put: impl FnMut(&HeaderName, &HeaderValue)) {
        put(&header::HOST, self.host);
        for (name, value) in self.came {
            if !self.goes(name) {
                continue;
            }
            if *name != header::COOKIE {
                put(name, value);
            } else if let Some(left) = cookie::without_ours(value) {
                put(name, &left);
            }
        }
        match self.rules.described {
            Described::AsItCame | Described::NotAtAll => {}
            Described::AsEmpty => put(&header::CONTENT_LENGTH, &NOUGHT),
            Described::AsJson => put(&header::CONTENT_TYPE, &JSON),
        }
        let ours = [
            (header::AUTHORIZATION, self.login),
            (X_REAL_IP, self.client.as_deref()),
            (X_FORWARDED_FOR, self.forwarded_for.as_deref()),
            (X_FORWARDED_HOST, self.forwarded_host.as_deref()),
            (X_FORWARDED_PROTO, Some(&*self.proto)),
            (X_FORWARDED_USER, self.user.as_ref()),
        ];
        for (name, value) in &ours {
            if let Some(value) = value {
                put(name, value);
            }
        }
    }

    /// The same as a map.
    #[must_use]
    pub fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::with_capacity(self.came.len() + 8);
        self.each(|name, value| _ = fields.append(name.clone(), value.clone()));
        fields
    }

    /// The host that the catcher is told the browser asked for.
    #[must_use]
    pub fn told_host(&self) -> &HeaderValue {
        self.forwarded_host.as_deref().unwrap_or(self.host)
    }

    /// Whether a `Connection` line took a field away.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        !self.named.is_empty()
    }

    /// Whether a field that came goes; ours stand in the place of those that say the same.
    fn goes(&self, name: &HeaderName) -> bool {
        let Rules { is_handshake, takes_overrides, takes_cookies, described } = self.rules;
        let is_told = matches!(described, Described::AsItCame | Described::AsEmpty);
        match *name {
            header::HOST | header::AUTHORIZATION | header::CONTENT_LENGTH => false,
            header::COOKIE if !takes_cookies => false,
            header::CONTENT_TYPE | header::CONTENT_ENCODING if !is_told => false,
            _ => {
                !is_hop_by_hop(name)
                    && !is_claim(name.as_str().as_bytes(), is_handshake)
                    && (takes_overrides || !is_method_override(name))
                    && !self.named.contains(name)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests;
