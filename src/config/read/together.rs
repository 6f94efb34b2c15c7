//! What is right by itself and wrong together with another key.

use super::super::address::{Listen, ListenAt, Scheme};
use super::super::model::{CatcherKind, LiveConfig, SiteConfig, StartConfig, StatusConfig};
use super::super::reader::Reader;
use super::super::upstream::{UpstreamConfig, UpstreamHost};
use crate::catcher;
use crate::session::page;

impl Reader<'_> {
    /// A page of another site could let its own name point here, and be answered like the people of those networks.
    pub(super) fn binds_the_anonymous(&mut self, live: &LiveConfig) {
        const PATH: &str = "auth.anonymous_from";
        if !live.auth.anonymous_from.is_empty()
            && live.hosts.is_empty()
            && let Some(entry) = self.raw.get(PATH)
        {
            let reason = "needs hosts: write hosts = [\"mail.dev\"], with the names by which people ask for the gate";
            self.fault(entry, PATH, reason);
        }
    }

    /// Whoever is not trusted sends no PROXY header, so that without a trusted proxy the key would do nothing.
    pub(super) fn has_proxies(&mut self, live: &LiveConfig) {
        const PATH: &str = "proxy_protocol";
        if live.proxy_protocol
            && live.trusted_proxies.is_empty()
            && let Some(entry) = self.raw.get(PATH)
        {
            let reason = "needs trusted_proxies: write trusted_proxies = [\"10.0.0.5\"], with the address of the proxy that sends it";
            self.fault(entry, PATH, reason);
        }
    }

    /// Where nobody comes by TLS, there is nowhere to send people to, and nothing to hold browsers to.
    pub(super) fn has_tls(&mut self, start: &StartConfig, live: &LiveConfig) {
        let by_tls = start.listen.iter().any(|entry| entry.scheme == Scheme::Https) || !live.trusted_proxies.is_empty();
        let wants = [("redirect", start.redirect.is_some()), ("tls.hsts", live.hsts.is_some())];
        for (key, _) in wants.into_iter().filter(|(_, is_wanted)| *is_wanted && !by_tls) {
            if let Some(entry) = self.raw.get(key) {
                let reason = "needs TLS: an entry such as \"https://0.0.0.0:8443\" in listen, or a proxy that speaks it \
                              in trusted_proxies";
                self.fault(entry, key, reason);
            }
        }
    }

    /// A gate that forwards to itself strips the password and then asks itself for one.
    pub(super) fn not_itself(&mut self, start: &StartConfig, live: &LiveConfig) {
        const PATH: &str = "upstream.url";
        let UpstreamConfig { host, port, .. } = &live.site.upstream;
        let is_here = |listen: &Listen| match &listen.at {
            ListenAt::Tcp { addr, .. } if addr.port() == *port => match host {
                UpstreamHost::Ip(ip) => addr.ip() == *ip || (addr.ip().is_unspecified() && ip.is_loopback()),
                UpstreamHost::Name(name) => {
                    name == "localhost" && (addr.ip().is_unspecified() || addr.ip().is_loopback())
                }
            },
            _ => false,
        };
        let status = start.status.as_ref().map(|status| &status.listen);
        if let Some(listen) = start.listen.iter().chain(status).find(|listen| is_here(listen))
            && let Some(entry) = self.raw.get(PATH)
        {
            let reason =
                format!("is this gate's own address, {listen}; write the catcher's, and give one of them another port");
            self.fault(entry, PATH, reason);
        }
    }

    /// One address cannot be listened on twice, and the error of the system would not say who has it.
    pub(super) fn not_twice(&mut self, start: &StartConfig) {
        const PATH: &str = "status.listen";
        let Some(StatusConfig { listen: status, configured: true }) = &start.status else { return };
        if let Some(listen) = start.listen.iter().find(|listen| listen.overlaps(status))
            && let Some(entry) = self.raw.get(PATH)
        {
            self.fault(entry, PATH, format!("\"{status}\" is taken by listen, \"{listen}\"; write another port"));
        }
    }

    /// A certificate that is shown nowhere, and a place where one is to be shown and there is none.
    pub(super) fn tls_and_https(&mut self, start: &StartConfig, live: &LiveConfig) {
        const CERT: &str = "tls.cert_file";
        const LISTEN: &str = "listen";
        let https = start.listen.iter().find(|listen| listen.scheme == Scheme::Https);
        match (https, &live.tls) {
            (Some(https), None) => {
                if let Some(entry) = self.raw.get(LISTEN) {
                    let reason = format!("\"{https}\" needs a certificate: write {CERT} and tls.key_file");
                    self.fault(entry, LISTEN, reason);
                }
            }
            (None, Some(_)) => {
                if let Some(entry) = self.raw.get(CERT) {
                    let reason = "is there, and no entry of listen is https; write listen = [\"https://0.0.0.0:8443\"]";
                    self.fault(entry, CERT, reason);
                }
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// What is given away at a path of the catcher's would not be reachable there any more.
    pub(super) fn hides_nothing(&mut self, live: &LiveConfig) {
        const PATH: &str = "health_path";
        let SiteConfig { upstream, catcher, .. } = &live.site;
        let Some(path) = live.health_path.as_deref() else { return };
        if matches!(path, page::LOGIN | page::LOGOUT)
            && let Some(entry) = self.raw.get(PATH)
        {
            self.fault(entry, PATH, format!("{path:?} is the login page's; write \"/healthz\""));
        }
        let hidden = match path.strip_prefix(upstream.prefix.as_str()) {
            _ if *catcher == CatcherKind::Generic => false,
            // Whether it is well is what is asked there anyway.
            Some("/healthz" | "/livez" | "/readyz") => false,
            Some(rest) if *catcher != CatcherKind::MailCatcher => {
                rest.is_empty() || rest == "/" || catcher::has(*catcher, rest)
            }
            Some("" | "/" | "/favicon.ico" | "/messages") => true,
            Some(rest) => rest.starts_with("/messages/") || rest.starts_with("/assets/"),
            None => false,
        };
        if hidden && let Some(entry) = self.raw.get(PATH) {
            self.fault(entry, PATH, format!("{path:?} is the catcher's own; write \"/healthz\""));
        }
    }
}
