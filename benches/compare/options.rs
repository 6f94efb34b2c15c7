//! The command line.

use std::path::PathBuf;

pub(crate) const HELP: &str = "\
Compares Mailwarden with other gates on this machine: benches/compare/run [OPTION]...

  --rounds N         alternating rounds of each scenario; 9
  --seconds N        seconds of each measurement; 3
  --quick            one round of one second, the nearest peers: about two minutes
  --only NAME,...    scenarios whose names begin so; `--list` shows them
  --peers NAME,...   who takes part: nginx, nginx-usual, haproxy, apache, caddy, ours, ours-log
  --minutes N        only this: load for so long, memory every ten seconds
  --mailwarden FILE  another binary than the one that cargo builds
  --cores P,L        the proxy's core and that of load and upstream; 0,1
  --out DIR          where the files go; target/compare
  --list             the scenarios
";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    pub(crate) quick: bool,
    /// Empty: all.
    pub(crate) only: Vec<String>,
    /// Empty: as the scenario says.
    pub(crate) peers: Vec<String>,
    pub(crate) minutes: Option<u64>,
    pub(crate) mailwarden: Option<PathBuf>,
    pub(crate) proxy_core: String,
    pub(crate) load_core: String,
    /// For two runtimes: a third core if there is one, else that of the load.
    pub(crate) two_cores: String,
    pub(crate) out: Option<PathBuf>,
    pub(crate) list: bool,
    pub(crate) help: bool,
}

impl Options {
    /// Reads the arguments on a machine with so many cores.
    pub(crate) fn parse(arguments: &[String], cores: usize) -> Result<Self, String> {
        let mut options = Self {
            rounds: 9,
            seconds: 3,
            quick: false,
            only: Vec::new(),
            peers: Vec::new(),
            minutes: None,
            mailwarden: None,
            proxy_core: "0".to_owned(),
            load_core: if cores > 1 { "1" } else { "0" }.to_owned(),
            two_cores: String::new(),
            out: None,
            list: false,
            help: false,
        };
        // What is asked for by name counts, wherever --quick stands.
        if arguments.iter().any(|argument| argument == "--quick") {
            (options.quick, options.rounds, options.seconds) = (true, 1, 1);
        }
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} takes a value"));
            match argument.as_str() {
                "--rounds" => options.rounds = number(argument, value()?)? as usize,
                "--seconds" => options.seconds = number(argument, value()?)?,
                "--minutes" => options.minutes = Some(number(argument, value()?)?),
                "--only" => options.only = list(value()?),
                "--peers" => options.peers = list(value()?),
                "--mailwarden" => options.mailwarden = Some(value()?.into()),
                "--out" => options.out = Some(value()?.into()),
                "--cores" => {
                    let cores = value()?.split_once(',').ok_or("--cores takes two, as in 0,1")?;
                    (options.proxy_core, options.load_core) = (cores.0.to_owned(), cores.1.to_owned());
                }
                "--list" => options.list = true,
                "--help" | "-h" => options.help = true,
                // Cargo adds --bench.
                "--quick" | "--bench" => {}
                other => return Err(format!("{other} is no option; --help shows them")),
            }
        }
        let taken = [options.proxy_core.clone(), options.load_core.clone()];
        let third = (0..cores).map(|core| core.to_string()).find(|core| !taken.contains(core));
        options.two_cores = format!("{},{}", options.proxy_core, third.unwrap_or_else(|| options.load_core.clone()));
        Ok(options)
    }

    /// Whether a scenario is asked for.
    pub(crate) fn takes(&self, scenario: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| scenario.starts_with(name.as_str()))
    }
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number @ 1..=100_000) => Ok(number),
        _ => Err(format!("{name} takes a number from 1, not {text:?}")),
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, cores: usize) -> Result<Options, String> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), cores)
    }

    #[test]
    fn quick_is_one_short_round_unless_more_is_asked_for() {
        let options = parse("--bench --seconds 2 --quick", 2).unwrap();
        assert_eq!((options.rounds, options.seconds, options.quick), (1, 2, true));
        assert_eq!(parse("", 2).unwrap().rounds, 9);
    }

    #[test]
    fn scenarios_are_named_by_their_beginnings() {
        let options = parse("--only hash,kept", 2).unwrap();
        assert!(options.takes("hash-sha") && options.takes("kept") && !options.takes("flood"));
        assert!(parse("", 2).unwrap().takes("flood"));
    }

    #[test]
    fn two_runtimes_get_a_third_core_where_there_is_one() {
        assert_eq!(parse("", 2).unwrap().two_cores, "0,1");
        assert_eq!(parse("", 4).unwrap().two_cores, "0,2");
        assert_eq!(parse("--cores 2,0", 4).unwrap().two_cores, "2,1");
        assert_eq!(parse("", 1).unwrap().load_core, "0");
    }

    #[test]
    fn mistakes_are_named() {
        for line in ["--rounds", "--rounds 0", "--seconds x", "--cores 1", "--fast"] {
            assert!(parse(line, 2).is_err(), "{line}");
        }
    }
}
