//! Who is compared: how each is started, and what it is told.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{Answer, Client, RIGHT};
use crate::process::{self, Process};
use crate::scenarios::Scenario;
use crate::template::fill;
use crate::{Bench, Result, block_on, tls};

/// One of them. Without a program it is the catcher itself.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) program: &'static str,
    /// The configuration, in `benches/compare/conf`.
    file: &'static str,
    /// Threads that serve; only ours has two.
    workers: u32,
    log: bool,
}

const fn peer(name: &'static str, label: &'static str, program: &'static str, file: &'static str) -> Peer {
    Peer { name, label, program, file, workers: 1, log: false }
}

const OURS: &str = "mailwarden.toml";

/// In the order of the tables; the first is what the others are compared with.
pub(crate) const ALL: &[Peer] = &[
    peer("nginx", "nginx, upstream kept", "nginx", "nginx.conf"),
    peer("nginx-usual", "nginx, the usual block", "nginx", "nginx-usual.conf"),
    peer("haproxy", "HAProxy", "haproxy", "haproxy.cfg"),
    peer("apache", "Apache", "apache2", "apache.conf"),
    peer("caddy", "Caddy", "caddy", "Caddyfile"),
    peer("ours", "Mailwarden", "mailwarden", OURS),
    Peer { log: true, ..peer("ours-log", "Mailwarden, access log on", "mailwarden", OURS) },
    Peer { workers: 2, ..peer("ours-two", "Mailwarden, two runtimes", "mailwarden", OURS) },
    peer("floor", "bytes copied, nothing parsed", "floor", ""),
    peer("direct", "the catcher itself", "", ""),
];

pub(crate) fn find(name: &str) -> Option<&'static Peer> {
    ALL.iter().find(|peer| peer.name == name)
}

impl Peer {
    /// What its program says of its version.
    pub(crate) fn version(&self, bench: &Bench) -> Option<String> {
        let flag = match self.name {
            "floor" => return None, // this program itself
            "caddy" => "version",
            name if name.starts_with("ours") => "--version",
            _ => "-v",
        };
        let output = Command::new(bench.program(self).ok()?).arg(flag).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let first = text.lines().next()?.trim().replace("nginx version: ", "").replace("Server version: ", "");
        Some(if self.name == "caddy" { format!("Caddy {first}") } else { first })
    }

    /// Why it cannot take part, if it cannot.
    fn unfit(&self, scenario: &Scenario) -> Option<&'static str> {
        let hash = scenario.hash.text;
        match self.name {
            "haproxy" if hash.starts_with("$apr1$") => Some("HAProxy has crypt(3) only, which does not know $apr1$"),
            "haproxy" | "nginx" | "nginx-usual" | "apache" if hash.starts_with("$argon2") => {
                Some("it does not know argon2id")
            }
            "caddy" if !hash.starts_with("$2") && scenario.name.starts_with("hash-") => Some("Caddy knows bcrypt only"),
            "nginx-usual" if matches!(scenario.name, "idle" | "messages") => {
                Some("the usual block forwards no WebSocket")
            }
            _ => None,
        }
    }

    fn command(&self, bench: &Bench, config: &Path) -> Result<Command> {
        let cores = if self.workers == 2 { &bench.options.two_cores } else { &bench.options.proxy_core };
        let mut command = process::pinned(cores, &bench.program(self)?);
        match self.program {
            "nginx" => command.arg("-c").arg(config),
            "haproxy" => command.arg("-db").arg("-f").arg(config),
            "apache2" => command.arg("-DFOREGROUND").arg("-f").arg(config),
            "floor" => command.arg("--floor").arg(config).arg(bench.upstream.addr.to_string()),
            "caddy" => command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config),
            _ => command.args(["serve", "--config"]).arg(config),
        };
        // Whoever looks for a home or for settings of its own finds an empty folder.
        for name in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(name, bench.dir.path());
        }
        Ok(command)
    }
}

/// A peer that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) peer: &'static Peer,
    /// None for the catcher itself.
    pub(crate) process: Option<Process>,
    pub(crate) addr: SocketAddr,
    /// From the start of its program to the answer to a request with the right password.
    pub(crate) first_answer: Duration,
}

/// Starts one and makes sure that it is a gate: the right password gets the upstream's answer, none gets 401.
pub(crate) fn start(bench: &Bench, peer: &'static Peer, scenario: &Scenario) -> Result<Running> {
    if peer.program.is_empty() {
        let addr = bench.upstream.addr;
        return Ok(Running { peer, process: None, addr, first_answer: Duration::ZERO });
    }
    if let Some(reason) = peer.unfit(scenario) {
        return Err(reason.into());
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let config = if peer.file.is_empty() { addr.to_string().into() } else { configure(bench, peer, scenario, port)? };
    let said = bench.dir.path().join(format!("{}.said", peer.name));
    let log = fs::File::create(&said)?;
    let access = if peer.log { fs::File::create(bench.dir.path().join("access.log"))?.into() } else { Stdio::null() };
    let mut command = peer.command(bench, &config)?;
    let begun = Instant::now();
    let mut process = Process::start(command.stdout(access).stderr(log))?;
    let tls = scenario.tls.then(|| tls::connector(false)).transpose()?;
    let path = "/messages/1.plain";
    let ask = |lines| block_on(async { Client::open(addr, None, tls.as_ref()).await?.get(path, lines).await });
    loop {
        match ask(RIGHT)? {
            Ok(answer) => {
                let first_answer = begun.elapsed();
                fit(peer, &answer, 200, 1024)?;
                if peer.program == "floor" {
                    return Ok(Running { peer, process: Some(process), addr, first_answer });
                }
                fit(peer, &ask("")?.map_err(|error| format!("{}: {error}", peer.label))?, 401, 0)?;
                return Ok(Running { peer, process: Some(process), addr, first_answer });
            }
            Err(_) if process.ended() => {
                let said = fs::read_to_string(&said).unwrap_or_default();
                let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
                let last = last.replace(&format!("{}/", bench.dir.path().display()), "");
                return Err(format!("it does not start: {}", last.trim()).into());
            }
            Err(error) if begun.elapsed() > Duration::from_secs(10) => {
                return Err(format!("it does not answer: {error}").into());
            }
            Err(_) => bench.stop.check()?,
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn fit(peer: &Peer, answer: &Answer, status: u16, least: usize) -> Result<()> {
    match answer.status == status && answer.body.len() >= least {
        true => Ok(()),
        false => {
            let (label, got, length) = (peer.label, answer.status, answer.body.len());
            Err(format!("{label} answers {got} with {length} bytes where {status} is right").into())
        }
    }
}

/// Writes its configuration and users file.
fn configure(bench: &Bench, peer: &Peer, scenario: &Scenario, port: u16) -> Result<PathBuf> {
    let dir = bench.dir.path();
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare/conf").join(peer.file);
    let text = fs::read_to_string(&template).map_err(|error| format!("{}: {error}", template.display()))?;
    let users = dir.join("users");
    fs::write(&users, format!("anna:{}\n", scenario.hash.text))?;
    let hash = scenario.hash.text;
    let haproxy = match hash.starts_with('{') {
        true => "insecure-password secret".to_owned(),
        false => format!("password {hash}"),
    };
    let caddy = if hash.starts_with("$2") { hash } else { crate::scenarios::BCRYPT.text };
    let shown = |path: &Path| path.display().to_string();
    let certificate = &bench.certificate;
    let values = [
        ("PORT", port.to_string()),
        ("UPSTREAM", bench.upstream.addr.to_string()),
        ("DIR", shown(dir)),
        ("USERS", shown(&users)),
        ("CERT", shown(&certificate.cert)),
        ("KEY", shown(&certificate.key)),
        ("PEM", shown(&certificate.pem)),
        ("SCHEME", if scenario.tls { "https" } else { "http" }.to_owned()),
        ("LISTEN", if scenario.tls { "https://" } else { "" }.to_owned()),
        ("USER", bench.user.clone()),
        ("GROUP", bench.group.clone()),
        ("APACHE", "/usr/lib/apache2/modules".to_owned()),
        ("HAPROXY_PASSWORD", haproxy),
        ("CADDY_PASSWORD", caddy.to_owned()),
        ("CATCHER", scenario.catcher.to_owned()),
        ("WORKERS", peer.workers.to_string()),
        ("ACCESS_LOG", peer.log.to_string()),
    ];
    let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let config = dir.join(format!("{}-{}", peer.name, peer.file));
    fs::write(
        &config,
        fill(&text, scenario.tls, &values).map_err(|error| format!("{}: {error}", template.display()))?,
    )?;
    Ok(config)
}
