//! The real binary over real sockets, bytes in and bytes out; one test binary for all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "clippy.toml allows them in test functions only, not in the functions that those share"
)]

#[path = "../support/mod.rs"]
mod support;

// The command line: exit codes, and what goes to which stream.
mod cli;

// What people had before, as a configuration.
mod convert;

// The gate doing its main job.
mod gate;

// What the catcher is told in a request's header fields, and the client in an answer's.
mod headers;

// What the README says of the tests.
mod readme;

// TLS: handshakes and how they fail, certificates by name and renewed, clients with certificates, and HTTP above it.
mod tls;

// Who may do what, and where there is anything at all.
mod access;

// Who gets in: hashes as the real tools make them, what they cost, and what the log says of it.
mod auth;

// Who guesses passwords, and what others notice of it.
mod guessing;

// Every format that crypt(3) verifies too, against it, with passwords and salts by chance.
mod crypt;

// The users file, kept by the program itself.
mod user;

// Certificates for a development server.
mod cert;

// What lets in without a password in the request: the socket ticket, the login page's session, the network.
mod session;

// The inbox page: the script that it is given, and who it is told it works for.
mod page;

// WebSockets: the tunnel, and every way in which there is none.
mod upgrade;

// Live updates that stay live: pings, silence, a catcher that restarts.
mod live;

// Lists: asked for at the same moment, and one that fails.
mod lists;

// A catcher that is down, slow, gone in mid-answer, or back again.
mod faults;

// The same by HTTP/2, and what is HTTP/2's own.
mod http2;

// Bodies in both directions: framing, limits, back-pressure.
mod bodies;

// Clients that take their answers slowly or not at all, and a catcher that has no patience with them.
mod downloads;

// How long a client may take for each step.
mod timeouts;

// Other kinds of catchers.
mod kinds;

// What an answer may do in a browser.
mod hygiene;

// What the access log says.
mod access_log;

// Old mail goes, by hand and on schedule, and nothing else does.
mod purge;

// Stopping.
mod stop;

// What was written last holds, without a restart.
mod reload;

// Whether anybody reaches the catcher around the gate.
mod doctor;

// Firewall rules that are printed.
mod firewall;

// How it goes: the second listener, and what is asked there.
mod status;

// The same thing very often, under load: nothing is lost and nothing piles up.
mod endurance;

// Sockets of a service manager, and restarts that nobody notices.
mod activation;

// What the service manager is told.
mod notify;

// Faults of the machine: accepting that fails, a full disk, a clock that steps, a catcher that comes and goes.
mod adversity;

// The users file changes while people work.
mod users_file;

// Listening sockets.
mod listen;

// Whose connection it is, by the word of a proxy that hands on bytes.
mod proxy_protocol;

// Clear text beside TLS.
mod secure_transport;

// How much a client may send and open, and what becomes of a gate without descriptors.
mod limits;

// Published attacks on programs of this kind.
mod attacks;

// What other sites' pages may have a browser ask.
mod cross_site;

// Groups of users, and what they change while people work.
mod groups;

// Whatever bytes come in, those that go out are in a small grammar.
mod wire;

// Tables of hostile bytes: what no client should send, and what becomes of it.
mod hostile;

// Clients that go on asking, and count.
mod load;

// Credentials and what the real tools make.
mod tools;
