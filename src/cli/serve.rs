//! `mailwarden serve`: runs the gate.

use clap::Args;

use super::{Exit, out, refuse};
use crate::config::{self, Config, Flag, Source};
use crate::daemon::{self, StartError};
use crate::logging;
use crate::net::inherited::Inherited;

const EXAMPLE: &str = "\
Each flag stands for a key of the configuration and wins over the file and the
environment (MAILWARDEN_UPSTREAM__URL and the like). SIGHUP reads both again.

Example:
  mailwarden serve --listen 127.0.0.1:8080 --upstream http://127.0.0.1:1080

Exit codes: 0 stopped as told, 1 failed, 2 wrong usage, 78 bad configuration";

/// The flags of the command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct Flags {
    #[command(flatten)]
    keys: Keys,
}

impl Flags {
    pub(super) fn into_keys(self) -> Vec<Flag> {
        self.keys.into_keys()
    }
}

/// The flags that stand for keys. `check` takes them as well, so that it says what the same flags would do.
#[derive(Debug, Args)]
pub(super) struct Keys {
    /// Where to listen: addresses, `unix:` paths, with `https://` before them.
    #[arg(long, value_name = "ADDR", help = "Where to listen, repeatable: [::]:8080, https://…")]
    listen: Vec<String>,
    /// The catcher's web address
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Which catcher it is: mailcatcher, auto, generic …
    #[arg(long, value_name = "NAME")]
    catcher: Option<String>,
    /// The htpasswd file
    #[arg(long, value_name = "FILE")]
    users_file: Option<String>,
    /// The name in the browser's question for a password
    #[arg(long, value_name = "TEXT")]
    realm: Option<String>,
    /// Where to tell how it goes: an address, or off
    #[arg(long, value_name = "ADDR")]
    status_listen: Option<String>,
    /// error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text, json or combined
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Keys {
    /// What was given, as the configuration takes it.
    pub(super) fn into_keys(self) -> Vec<Flag> {
        let listen = self.listen.into_iter().map(|value| ("listen", Some(value)));
        let single = [
            ("upstream", self.upstream),
            ("catcher", self.catcher),
            ("users-file", self.users_file),
            ("realm", self.realm),
            ("status-listen", self.status_listen),
            ("log-level", self.log_level),
            ("log-format", self.log_format),
        ];
        listen.chain(single).filter_map(|(name, value)| Some(Flag { name, value: value? })).collect()
    }
}

/// Loads the configuration and the users, and serves until told to stop.
pub fn run(source: Source) -> Exit {
    let config = match config::load(&source) {
        Ok(config) => config,
        Err(errors) => return refuse(&errors),
    };
    // Before the first thread: it changes the environment.
    let inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(error) => {
            out::error(&format!("{error}\n"));
            return Exit::Problem;
        }
    };
    let log = match logging::start(&config.start.log) {
        Ok(log) => log,
        Err(error) => {
            out::error(&format!("cannot start the thread that writes the log: {error}\n"));
            return Exit::Problem;
        }
    };
    let exit = serve(source, config, inherited);
    log.flush();
    exit
}

fn serve(source: Source, config: Config, inherited: Inherited) -> Exit {
    match daemon::run(daemon::Start { source, config, inherited }) {
        Ok(()) => Exit::Success,
        Err(error) => {
            tracing::error!("{error}");
            if matches!(error, StartError::Users(_) | StartError::Tls(_)) { Exit::Config } else { Exit::Problem }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn flags(arguments: &[&str]) -> Vec<Flag> {
        let command = Flags::augment_args(clap::Command::new("serve").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments).unwrap();
        Flags::from_arg_matches(&matches).unwrap().into_keys()
    }

    /// A flag that no key knows would be an error when it is used, and one that is forgotten here would do nothing.
    #[test]
    fn every_flag_sets_its_key() {
        let command = Flags::augment_args(clap::Command::new("serve"));
        let values = [
            ("listen", "127.0.0.1:81"),
            ("upstream", "http://mail.test:81/x"),
            ("catcher", "generic"),
            ("users-file", "/srv/htpasswd"),
            ("realm", "Mail"),
            ("status-listen", "127.0.0.1:82"),
            ("log-level", "debug"),
            ("log-format", "json"),
        ];
        let names: Vec<&str> = command.get_arguments().filter_map(|argument| argument.get_long()).collect();
        assert_eq!(names, values.map(|(name, _)| name));
        let arguments: Vec<String> = values.iter().map(|(name, value)| format!("--{name}={value}")).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let source = Source { flags: flags(&arguments), ..Source::default() };
        let config = config::load(&source).unwrap();
        assert_eq!(config.start.listen[0].to_string(), "127.0.0.1:81");
        assert_eq!(config.live.site.upstream.to_string(), "http://mail.test:81/x");
        assert_eq!(config.live.site.catcher.to_string(), "generic");
        assert_eq!(config.live.auth.users_file.path.to_str(), Some("/srv/htpasswd"));
        assert_eq!(config.live.auth.realm, "Mail");
        assert_eq!(config.start.status.unwrap().listen.to_string(), "127.0.0.1:82");
        assert_eq!(config.start.log.level.to_string(), "debug");
        assert_eq!(config.start.log.format.to_string(), "json");
    }

    #[test]
    fn listen_can_be_repeated() {
        let given = flags(&["--listen", "a", "--realm", "r", "--listen", "b"]);
        let given: Vec<(&str, &str)> = given.iter().map(|flag| (flag.name, flag.value.as_str())).collect();
        assert_eq!(given, [("listen", "a"), ("listen", "b"), ("realm", "r")]);
    }
}
