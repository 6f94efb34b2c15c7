//! What is fixed at start, as text by key: for `check`, and to name what a reload cannot change.

use super::model::{Listen, StartConfig};
use super::units::{format_duration, format_size};

impl StartConfig {
    /// Every key that holds from start to stop, with its value as the configuration would write it.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let (limits, times, log) = (&self.limits, &self.timeouts, &self.log);
        let listen: Vec<String> = self.listen.iter().map(Listen::to_string).collect();
        let redirect_port = self.redirect.filter(|redirect| redirect.configured).map(|redirect| redirect.port);
        vec![
            ("listen", listen.join(", ")),
            ("redirect", self.redirect.is_some().to_string()),
            (
                "redirect_port",
                redirect_port.map_or("that of the first https entry".to_owned(), |port| port.to_string()),
            ),
            ("unix_socket_mode", format!("{:04o}", self.unix_socket_mode)),
            ("workers", self.workers.to_string()),
            ("state_dir", self.state_dir.display().to_string()),
            ("limits.body", format_size(limits.body)),
            ("limits.head", format_size(limits.head as u64)),
            ("limits.connections", limits.connections.to_string()),
            ("limits.connections_per_address", limits.connections_per_address.to_string()),
            ("limits.read_ahead", format_size(limits.read_ahead as u64)),
            ("timeouts.proxy_header", format_duration(times.proxy_header)),
            ("timeouts.keep_alive", format_duration(times.keep_alive)),
            ("timeouts.handshake", format_duration(times.handshake)),
            ("timeouts.request_head", format_duration(times.request_head)),
            ("timeouts.request_body", format_duration(times.request_body)),
            ("timeouts.upstream_connect", format_duration(times.upstream_connect)),
            ("timeouts.upstream_answer", format_duration(times.upstream_answer)),
            ("timeouts.upstream_clear", format_duration(times.upstream_clear)),
            ("timeouts.upstream_idle", format_duration(times.upstream_idle)),
            ("timeouts.ping", format_duration(times.ping)),
            ("timeouts.send", format_duration(times.send)),
            ("timeouts.stop", format_duration(times.stop)),
            ("status.listen", self.status.as_ref().map_or("off".to_owned(), |status| status.listen.to_string())),
            ("log.level", log.level.to_string()),
            ("log.access", log.access.to_string()),
            ("log.format", log.format.to_string()),
        ]
    }

    /// The keys whose values differ, and are not taken over by a reload therefore.
    #[must_use]
    pub fn changed_keys(&self, new: &StartConfig) -> Vec<&'static str> {
        let pairs = self.settings().into_iter().zip(new.settings());
        pairs.filter(|(old, new)| old.1 != new.1).map(|(old, _)| old.0).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::super::keys::KEYS;
    use super::super::{Source, assemble};

    /// What a reload takes over. Every other key is named when it changes: none is passed over in silence.
    const LIVE: [&str; 12] = [
        "trusted_proxies",
        "proxy_protocol",
        "hosts",
        "allowed_origins",
        "health_path",
        "tls.",
        "upstream.",
        "auth.",
        "access.",
        "mail.",
        "page.",
        "purge.",
    ];

    #[test]
    fn every_key_is_either_taken_over_by_a_reload_or_named_by_it() {
        let start = assemble(&Source::default(), None).unwrap().start;
        let named: Vec<&str> = start.settings().into_iter().map(|(key, _)| key).collect();
        let fixed = KEYS.iter().map(|key| key.path).filter(|path| !LIVE.iter().any(|live| path.starts_with(live)));
        for path in fixed {
            assert!(named.contains(&path), "{path}");
        }
    }

    #[test]
    fn what_differs_is_named_and_nothing_else() {
        let start = |toml: &str| assemble(&Source::default(), Some(toml.as_bytes())).unwrap().start;
        let before = start("");
        assert_eq!(before.changed_keys(&start("auth.realm = 'x'")), Vec::<&str>::new());
        let after = start("listen = ['127.0.0.1:1']\nlog.level = 'debug'\nstatus.listen = 'off'\ntimeouts.stop = '1s'");
        assert_eq!(before.changed_keys(&after), ["listen", "timeouts.stop", "status.listen", "log.level"]);
    }
}
