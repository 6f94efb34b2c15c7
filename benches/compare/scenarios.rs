//! What is measured, in the order of the tables.

/// How a scenario's load is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// wrk with so many connections.
    Wrk { connections: u32, path: &'static str, ask: Ask },
    /// h2load: HTTP/2 with so many connections and streams on each.
    H2 { connections: u32, streams: u32, path: &'static str },
    /// So many WebSockets, each with one message on its way.
    Echo { sockets: usize },
    /// So many WebSockets that say nothing.
    Idle { sockets: usize },
    /// A TLS connection a request, with the session of an earlier one or without.
    Handshakes { resumed: bool },
    /// Eight connections guess; another address asks with the right password, at most 50 times a second.
    Flood,
    /// 50 requests a second, as people cause them.
    Feel,
    /// So many people open the page at once: the page and the list of 1,000 mails.
    Page { people: usize },
    /// From its start to its first answer, and then nothing.
    Rest,
}

/// What each of wrk's requests is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Right,
    /// Without credentials; 401 is the right answer.
    Nobody,
    /// On a connection of its own.
    Alone,
    /// A POST of so many bytes.
    Upload(u32),
}

/// A password, as the peers' files have it.
#[derive(Debug)]
pub(crate) struct Hash {
    /// Of `secret`, by htpasswd, mkpasswd or argon2.
    pub(crate) text: &'static str,
}

pub(crate) const SHA: Hash = Hash { text: "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=" };
pub(crate) const BCRYPT: Hash = Hash { text: "$2y$10$4OEYmFTbzWUWFhF6I3tgze2v/hd4KSZ/DbF7OtLiB9OOAp/j.HZsu" };
const BCRYPT_5: Hash = Hash { text: "$2y$05$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm." };
const APR1: Hash = Hash { text: "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/" };
const SHA512: Hash =
    Hash { text: "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1" };
const YESCRYPT: Hash = Hash { text: "$y$j9T$Xs2EucszdcCBZa2DvfHMU/$ktGtMzUknI.//tkMo49CvLShFqsCGcB3znnpVFisrwC" };
const ARGON2ID: Hash =
    Hash { text: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$6G4RVhNf4sYzxbGJQzsImNwnF3BnniV+nogjylwdjiA" };

/// Who takes part unless `--peers` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// All of them.
    All,
    /// nginx with kept connections, HAProxy, ours.
    Three,
    /// All, ours with its access log, and what only copies bytes.
    Logs,
    /// All, and what only copies bytes.
    Floor,
    /// All, and the catcher without any of them.
    Direct,
    /// Ours with one runtime and with two.
    Runtimes,
}

/// One table.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) load: Load,
    pub(crate) hash: &'static Hash,
    pub(crate) tls: bool,
    /// `upstream.catcher` of ours.
    pub(crate) catcher: &'static str,
    pub(crate) who: Who,
}

impl Scenario {
    const fn new(name: &'static str, title: &'static str, load: Load) -> Self {
        Self { name, title, load, hash: &SHA, tls: false, catcher: "mailcatcher", who: Who::Three }
    }

    const fn by(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    const fn over_tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Before a catcher of no known kind, which takes what the known ones do not.
    const fn generic(mut self) -> Self {
        self.catcher = "generic";
        self
    }

    const fn hashed(mut self, hash: &'static Hash) -> Self {
        self.hash = hash;
        self
    }
}

const SMALL: &str = "/messages/1.plain";
const BIG: &str = "/messages/2.plain";

const fn wrk(connections: u32, path: &'static str, ask: Ask) -> Load {
    Load::Wrk { connections, path, ask }
}

const fn hash(name: &'static str, title: &'static str, hash: &'static Hash) -> Scenario {
    Scenario::new(name, title, wrk(4, SMALL, Ask::Right)).hashed(hash)
}

/// All of them.
pub(crate) const ALL: &[Scenario] = &[
    Scenario::new("kept", "32 kept connections, answers of 1 KB", wrk(32, SMALL, Ask::Right)).by(Who::Logs),
    Scenario::new("connection", "A connection a request", wrk(32, SMALL, Ask::Alone)).by(Who::Floor),
    Scenario::new("refused", "401: no credentials", wrk(32, SMALL, Ask::Nobody)).by(Who::All),
    Scenario::new("few", "4 kept connections", wrk(4, SMALL, Ask::Right)),
    Scenario::new("many", "1,000 kept connections", wrk(1000, SMALL, Ask::Right)).by(Who::Floor),
    Scenario::new("download", "Answers of 1 MB", wrk(32, BIG, Ask::Right)).by(Who::Floor),
    Scenario::new("upload", "Uploads of 64 KB", wrk(32, "/upload", Ask::Upload(64 << 10))).generic(),
    Scenario::new("messages", "Messages of 100 bytes there and back on 32 WebSockets", Load::Echo { sockets: 32 })
        .generic(),
    Scenario::new("idle", "400 idle WebSockets", Load::Idle { sockets: 400 }).by(Who::All),
    hash("hash-sha", "{SHA}, 4 kept connections", &SHA),
    hash("hash-apr1", "$apr1$, 4 kept connections", &APR1),
    hash("hash-bcrypt5", "bcrypt of cost 5, 4 kept connections", &BCRYPT_5),
    hash("hash-bcrypt10", "bcrypt of cost 10, 4 kept connections", &BCRYPT).by(Who::All),
    hash("hash-sha512", "$6$ of 5,000 rounds, 4 kept connections", &SHA512),
    hash("hash-yescrypt", "yescrypt as Debian's, 4 kept connections", &YESCRYPT),
    hash("hash-argon2id", "argon2id of 19 MiB, 4 kept connections", &ARGON2ID),
    Scenario::new(
        "flood",
        "A right password, at most 50 times a second, while 8 connections guess; bcrypt of cost 10",
        Load::Flood,
    )
    .hashed(&BCRYPT),
    Scenario::new("runtimes", "Two runtimes against one", wrk(32, SMALL, Ask::Right)).by(Who::Runtimes),
    Scenario::new("feel", "Added to the catcher's own time at 50 requests/s", Load::Feel).by(Who::Direct),
    Scenario::new("page", "60 people open the page at once, 1,000 mails", Load::Page { people: 60 }).by(Who::Direct),
    Scenario::new("rest", "Start, and at rest", Load::Rest).by(Who::All),
    Scenario::new("tls-full", "TLS 1.3, a full handshake with each request", Load::Handshakes { resumed: false })
        .over_tls(),
    Scenario::new("tls-resumed", "TLS 1.3, a resumed handshake with each request", Load::Handshakes { resumed: true })
        .over_tls(),
    Scenario::new("tls-small", "TLS 1.3, 32 kept connections, answers of 1 KB", wrk(32, SMALL, Ask::Right)).over_tls(),
    Scenario::new("tls-big", "TLS 1.3, answers of 1 MB", wrk(32, BIG, Ask::Right)).over_tls(),
    Scenario::new(
        "h2-small",
        "HTTP/2, 8 connections with 4 streams each, answers of 1 KB",
        Load::H2 { connections: 8, streams: 4, path: SMALL },
    )
    .over_tls(),
    Scenario::new(
        "h2-big",
        "HTTP/2, 8 connections with 4 streams each, answers of 1 MB",
        Load::H2 { connections: 8, streams: 4, path: BIG },
    )
    .over_tls(),
];
