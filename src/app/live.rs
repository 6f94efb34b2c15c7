//! What a reload replaces, whole: the users, and what the configuration says of people and of the catcher.

use std::sync::Arc;
use std::time::SystemTime;

use http::header::HeaderValue;

use super::Connected;
use crate::access::Access;
use crate::auth::certificate::{Certificate, Clients};
use crate::auth::{Anonymous, By, Identity, User, Users, anonymous};
use crate::catcher;
use crate::config::model::{
    AllowedOrigins, CatcherKind, Hosts, LiveConfig, PurgeConfig, RemoteContent, SiteConfig, StartConfig, Timeouts,
    TrustedProxies, UpstreamConfig,
};
use crate::forward::inbox::Inbox;
use crate::forward::recognised::Recognised;
use crate::forward::upstream::Upstream;
use crate::page;
use crate::permission::Permission;
use crate::purge::store::Store;
use crate::reject::Reject;

/// What a reload replaces, whole. A request takes it once and sees one generation of it.
#[derive(Debug)]
pub struct Live {
    pub(super) users: Arc<Users>,
    /// Whose certificates are taken, and whom they stand for.
    pub(super) clients: Option<Clients>,
    pub(super) trusted_proxies: TrustedProxies,
    pub(super) proxy_protocol: bool,
    pub(super) hosts: Hosts,
    pub(super) allowed_origins: AllowedOrigins,
    pub(super) health_path: Option<String>,
    /// What browsers that come by TLS are told of coming by nothing else (RFC 6797), if anything.
    pub(super) hsts: Option<HeaderValue>,
    pub(super) realm: String,
    pub(super) challenge: HeaderValue,
    pub(super) login_page: bool,
    pub(super) anonymous: Option<Anonymous>,
    /// Whether the inbox page is given a script.
    pub(super) enhance: bool,
    pub(super) site: Site,
}

/// One catcher behind the gate, and what people may do with it.
#[derive(Debug)]
pub struct Site {
    pub(super) upstream: Arc<Upstream>,
    pub(super) inbox: Arc<Inbox>,
    /// What `upstream` was made of: a reload that does not change it keeps the connections.
    pub(super) made_of: UpstreamConfig,
    pub(super) prefix: String,
    /// Where its sockets are: what a ticket is sent to.
    pub(super) socket_path: String,
    /// Where the gate's own things for the inbox page are, below the prefix and with a slash at the end.
    pub(super) own_area: String,
    pub(super) catcher: Arc<Recognised>,
    pub(super) access: Access,
    pub(super) remote_content: RemoteContent,
    pub(super) purge: Arc<PurgeConfig>,
}

impl Live {
    /// What `config` says, with the users that its file held.
    #[must_use]
    pub fn new(config: &LiveConfig, users: Arc<Users>, clients: Option<Clients>, start: &StartConfig) -> Self {
        Self::made(config, users, clients, Site::new(&config.site, start))
    }

    /// The same in the place of this one, whose connections to the catcher it takes over if it is the same catcher.
    #[must_use]
    pub fn followed_by(
        &self,
        config: &LiveConfig,
        users: Arc<Users>,
        clients: Option<Clients>,
        start: &StartConfig,
    ) -> Self {
        let mut site = Site::new(&config.site, start);
        if self.site.made_of == site.made_of {
            site.upstream = Arc::clone(&self.site.upstream);
            site.inbox = Arc::clone(&self.site.inbox);
            if self.site.catcher.configured() == site.catcher.configured() {
                site.catcher = Arc::clone(&self.site.catcher);
            }
        }
        Self::made(config, users, clients, site)
    }

    fn made(config: &LiveConfig, users: Arc<Users>, clients: Option<Clients>, site: Site) -> Self {
        Self {
            users,
            clients,
            trusted_proxies: config.trusted_proxies.clone(),
            proxy_protocol: config.proxy_protocol,
            hosts: config.hosts.clone(),
            allowed_origins: config.allowed_origins.clone(),
            health_path: config.health_path.clone(),
            hsts: config.hsts.and_then(|age| HeaderValue::try_from(format!("max-age={}", age.as_secs())).ok()),
            realm: config.auth.realm.clone(),
            challenge: challenge(&config.auth.realm),
            login_page: config.auth.login_page,
            anonymous: anonymous(config),
            // What a page of another catcher looks like is not known.
            enhance: config.page.enhance && matches!(config.site.catcher, CatcherKind::MailCatcher | CatcherKind::Auto),
            site,
        }
    }

    /// Whether `user` may still do what takes `permission`: he is there, with the password that he logged in with, or
    /// where people come without one.
    pub(super) fn allows(&self, user: &Identity, permission: Permission, now: SystemTime) -> bool {
        let is_let_in = match (user.by(), user.anonymous_addr()) {
            (By::Certificate, None) => {
                let certified = user.certificate().and_then(|certificate| self.certified(certificate, now));
                certified.is_some_and(|now| user.name() == Some(now.name()))
            }
            (_, Some(addr)) => self.anonymous.as_ref().is_some_and(|anonymous| anonymous.contains(addr)),
            (By::Session(_), None) => self.login_page && user.is_among(&self.users),
            (_, None) => user.is_among(&self.users),
        };
        is_let_in && self.site.access.of(user).contains(permission)
    }

    /// The user whom a certificate stands for.
    pub(super) fn certified(&self, certificate: &Certificate, now: SystemTime) -> Option<&Arc<User>> {
        let clients = &self.clients.as_ref()?.certificates;
        let user = self.users.get(clients.user_of(certificate)?)?;
        clients.vouch_for(certificate, now).then_some(user)
    }

    /// Refuses a connection over TLS that began with a certificate that is not taken any more, or with none before one was
    /// asked for.
    pub(super) fn check_certificate(&self, connected: &Connected, now: SystemTime) -> Result<(), Reject> {
        let (Some(Clients { certificates, required: true, .. }), Some(secured)) = (&self.clients, &connected.secured)
        else {
            return Ok(());
        };
        match &secured.certificate {
            Some(certificate) if certificates.vouch_for(certificate, now) => Ok(()),
            _ => Err(Reject::Certificate),
        }
    }

    pub(super) fn unauthorized(&self, reason: &'static str) -> Reject {
        Reject::Unauthorized { challenge: Some(self.challenge.clone()), reason }
    }

    /// Where the inbox is.
    pub(super) fn home(&self) -> String {
        format!("{}/", self.site.prefix)
    }

    /// What goes and when.
    #[must_use]
    pub fn purge(&self) -> &Arc<PurgeConfig> {
        &self.site.purge
    }

    /// The catcher as a purge sees it, which is asked what it is where that is not known.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub async fn found_store(&self, timeouts: &Timeouts) -> Result<Option<Store>, Reject> {
        self.site.catcher.find(&self.site.upstream, &self.site.prefix).await?;
        Ok(self.store(usize::MAX, timeouts))
    }

    /// The catcher as a purge sees it, by `worker`'s connections; none if its interface is not known.
    #[must_use]
    pub fn store(&self, worker: usize, timeouts: &Timeouts) -> Option<Store> {
        Some(Store {
            upstream: Arc::clone(&self.site.upstream),
            mailbox: self.site.catcher.now()?.mailbox()?,
            inbox: Arc::clone(&self.site.inbox),
            prefix: self.site.prefix.clone(),
            worker,
            answer_timeout: timeouts.upstream_answer,
            clear_timeout: timeouts.upstream_clear,
        })
    }

    /// Whether there is a page to log in.
    #[must_use]
    pub fn has_login_page(&self) -> bool {
        self.login_page
    }

    /// Where the catcher is.
    #[must_use]
    pub fn upstream(&self) -> &UpstreamConfig {
        &self.site.made_of
    }

    /// Who can log in.
    #[must_use]
    pub fn users(&self) -> &Arc<Users> {
        &self.users
    }

    /// Whose certificates are taken.
    #[must_use]
    pub fn clients(&self) -> Option<&Clients> {
        self.clients.as_ref()
    }
}

impl Site {
    fn new(config: &SiteConfig, start: &StartConfig) -> Self {
        let (timeouts, prefix) = (&start.timeouts, config.upstream.prefix.as_str());
        for group in config.access.group_lists.keys().filter(|group| !config.access.groups.contains_key(*group)) {
            tracing::warn!(%group, "access.users has a list for a group that access.groups does not have");
        }
        Self {
            upstream: Arc::new(Upstream::new(
                &config.upstream,
                timeouts.upstream_connect,
                timeouts.upstream_idle,
                start.workers.get(),
            )),
            inbox: Arc::default(),
            made_of: config.upstream.clone(),
            prefix: prefix.to_owned(),
            socket_path: match (catcher::of(config.catcher).and_then(|catcher| catcher.socket()), prefix) {
                (Some(path), _) => format!("{prefix}{path}"),
                // Its sockets could be anywhere.
                (None, "") => "/".to_owned(),
                (None, prefix) => prefix.to_owned(),
            },
            own_area: page::area(prefix),
            catcher: Arc::new(Recognised::new(config.catcher)),
            access: Access::new(
                config.access.default.unwrap_or(config.catcher.default_permissions()),
                config.access.named().into_iter().filter_map(|name| Some((name.to_vec(), config.access.of(name)?))),
                config.access.anonymous,
            ),
            remote_content: config.remote_content,
            purge: Arc::new(config.purge.clone()),
        }
    }
}

/// Who may come without credentials. Nobody, where it cannot be told which addresses are a gateway's.
fn anonymous(config: &LiveConfig) -> Option<Anonymous> {
    if config.auth.anonymous_from.is_empty() {
        return None;
    }
    match anonymous::gateways() {
        Ok(gateways) => {
            tracing::debug!(?gateways, "auth.anonymous_from: these addresses of gateways are not let in");
            Anonymous::new(&config.auth.anonymous_from, gateways)
        }
        Err(error) => {
            tracing::warn!(%error, "auth.anonymous_from: routes cannot be read, so nobody is let in without credentials");
            None
        }
    }
}

/// The value of `WWW-Authenticate` (RFC 7617 section 2, with its charset parameter).
fn challenge(realm: &str) -> HeaderValue {
    let mut text = String::from("Basic realm=\"");
    for character in realm.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push_str("\", charset=\"UTF-8\"");
    // The configuration refuses control characters in a realm; all else is a valid value.
    HeaderValue::from_bytes(text.as_bytes())
        .unwrap_or(const { HeaderValue::from_static("Basic realm=\"Restricted\", charset=\"UTF-8\"") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_is_quoted() {
        assert_eq!(challenge("Mail"), r#"Basic realm="Mail", charset="UTF-8""#);
        assert_eq!(challenge(r#"a"b\c"#), r#"Basic realm="a\"b\\c", charset="UTF-8""#);
    }
}
