//! The keys of a site: the catcher, and how it is reached.

use super::super::model::{CatcherKind, RemoteContent, SiteConfig};
use super::super::reader::{Read, Reader};
use super::super::secret::Secret;
use super::super::upstream::{UpstreamConfig, UpstreamCredentials, UpstreamUrl};
use super::parse_path;

impl Reader<'_> {
    pub(super) fn site(&mut self) -> Read<SiteConfig> {
        let upstream = self.upstream();
        let catcher = self.catcher();
        let access = self.access();
        let remote_content = self.named("mail.remote_content", RemoteContent::NAMES);
        let purge = self.purge(catcher.as_ref().ok().copied());
        Ok(SiteConfig {
            upstream: upstream?,
            catcher: catcher?,
            access: access?,
            remote_content: remote_content?,
            purge: purge?,
        })
    }

    fn catcher(&mut self) -> Read<CatcherKind> {
        const PATH: &str = "upstream.catcher";
        let (entry, text) = self.text(PATH)?;
        if text == "maildev" {
            return Err(self.fault(
                entry,
                PATH,
                "\"maildev\" has two interfaces; write \"maildev2\", \"maildev3\", or \"auto\" to have it found out",
            ));
        }
        self.named(PATH, CatcherKind::NAMES)
    }

    fn upstream(&mut self) -> Read<UpstreamConfig> {
        let url = self.upstream_url();
        let credentials = self.credentials();
        let UpstreamUrl { host, port, prefix } = url?;
        Ok(UpstreamConfig { host, port, prefix, credentials: credentials? })
    }

    fn upstream_url(&mut self) -> Read<UpstreamUrl> {
        const PATH: &str = "upstream.url";
        let (entry, text) = self.text(PATH)?;
        UpstreamUrl::parse(text).map_err(|reason| {
            // What stands before an @ may be a password, and this text goes to logs.
            let shown = if text.contains('@') { "the URL".to_owned() } else { format!("{text:?}") };
            self.fault(entry, PATH, format!("{shown} {reason}"))
        })
    }

    fn credentials(&mut self) -> Read<Option<UpstreamCredentials>> {
        const USERNAME: &str = "upstream.username";
        const PASSWORD: &str = "upstream.password_file";
        match (self.raw.get(USERNAME), self.raw.get(PASSWORD)) {
            (None, None) => Ok(None),
            (Some(entry), None) => {
                Err(self.fault(entry, USERNAME, format!("is there without {PASSWORD}; give both or none")))
            }
            (None, Some(entry)) => {
                Err(self.fault(entry, PASSWORD, format!("is there without {USERNAME}; give both or none")))
            }
            (Some(_), Some(_)) => {
                let username = self.parsed(USERNAME, |text| match text {
                    "" => Err("is empty".to_owned()),
                    _ if text.contains(':') => Err("has a colon, which no user name can have".to_owned()),
                    _ if text.chars().any(char::is_control) => Err("holds control characters".to_owned()),
                    _ => Ok(text.to_owned()),
                });
                let password = self.parsed(PASSWORD, |text| Secret::read(&parse_path(text)?));
                Ok(Some(UpstreamCredentials { username: username?, password: password? }))
            }
        }
    }
}
