//! Mailwarden stands in front of a mail catcher and makes it safe to share: people log in, and nothing else gets through.
//!
//! ```text
//! main -> cli -> config::load (what was written -> what is true) -> daemon
//! daemon binds (or takes over what the service manager bound), starts all of these, and stops them in order
//!   |- net::listener -> net::workers (one current-thread runtime a core) -> net::connection -> App::handle
//!   |             net::connection: PROXY header, TLS (net::tls: a handshake, bounded), then by ALPN http1 or http2, which
//!   |             makes HTTP/1.1's heads of its own
//!   |- reload    a thread: SIGHUP, or a users file that changed and stands still -> App::replace, whole or not at all;
//!   |            certificates that changed -> net::tls; and their dates
//!   |- purge     a thread: waits for the next run, deletes what goes by the catcher's own interface, tells how it went
//!   |- isolation a thread: who else can reach the catcher -> a condition, a metric, the log
//!   |- status    a thread with a port of its own: /livez /readyz /metrics; asks App, changes nothing
//!   |- systemd   ready, reloading, stopping, a line about how it goes, the watchdog
//!   `- signals
//!
//! App::handle(request, connection)
//!   access_log::start ............... its line is written when the answer's body ends or is dropped
//!   live = one snapshot, taken once
//!   client     = client_addr           the peer, or whom a trusted peer forwarded
//!   guard::check                       what two programs would read differently is refused
//!   health                             the one path that may be given away, if the configuration names one
//!   guard::names                       a name that is not one of ours is refused, if the configuration has a list
//!   guard::redirect                    what came in clear text is sent to https, if the configuration says so
//!   action     = catcher::route        what would this do? parsed from one canonical path, and told later; a catcher that
//!                                      has to be found out is asked what it is only for who is let in
//!   preflight  = guard::cors           a page of an allowed origin asks what it may send
//!   entrance                           the login page, if there is one: a right password begins a session
//!   identity   = auth                  Authorization: remembered from there, or not too many wrong ones from there, and
//!                                      verified on threads of its own
//!              | session | ticket      cookies: what could do harm has to come from a page of this site
//!              | certificate           the client's, if it stands for a user
//!              | anonymous             the network
//!   origin     = guard::origin         what another site's page began changes nothing and opens nothing, whoever asks
//!   page                               the script for the inbox page, and who is asking: below /.mailwarden/
//!   decided                            where only the body says what it does: that is read, and written anew
//!   permit     = access                may this user do that? only access makes a Permit
//!   response   = forward(permit)       strip, then add; 101 -> a listed tunnel that parses frames, pings and tells why it
//!                                      ends; a list -> shared by those who ask together, mended if it fails;
//!                                      forward::inbox: what all who ask share, also with those who purge
//!                                      forward::hygiene: what the answer may do in a browser
//!              = page::enhance         the inbox page is given the script
//!              | clear                 everything at once, where that is much: one by one, by the purge's own way
//!   any Err(Reject) -> reject -> response
//! ```
//!
//! A row uses only the rows below it: `main cli` / `cert` / `daemon signals` / `reload status systemd isolation purge::task` / `net` / `app` /
//! `purge` / `guard auth session access forward page catcher client_addr` / `reject body access_log metrics conditions
//! vitals in_flight sink state_dir path permission authority wire apart config::model purge::schedule purge::retention
//! purge::history`.
//!
//! What holds everywhere, mostly by absence:
//! - only `access` makes a [`access::Permit`], so that an unauthorised forward does not compile;
//! - the path that a rule is decided on is the path that is forwarded ([`path::canonical`], [`catcher::Action`]);
//! - only [`reject`] chooses the status of a refusal;
//! - in the daemon only `auth::verify` computes password hashes, on its own threads; nothing else blocks;
//! - who may try a password is decided by `auth::throttle`, for which time is an argument, and a refusal leaves by
//!   `auth::late`, which says when;
//! - a request and its answer go by a connection of the gate's own (`forward::http1`, `wire`); what switches protocols goes
//!   by hyper's client;
//! - only `net`, `status`, `forward` and `body` name hyper; the rest speaks `http` types and is called from plain unit tests;
//! - only `daemon`, `net::workers`, `status` and `purge::task` start long-lived tasks; only these, `forward::upstream` and
//!   `forward::upgrade` start tasks of a connection, and what stopping waits for is on one tracker; a purge has one task that
//!   follows the catcher (`purge::witness`), and a Clear goes on without its client (`app::clear`);
//! - whoever purges, on schedule or by a Clear, says beforehand what goes, in `forward::inbox`: there the relays see which
//!   `remove` events a page is not told of one by one;
//! - nothing is deleted under a rule but by the id of a message that the rule takes, and the catcher's own way to delete
//!   everything is used only where everything is meant;
//! - HTTP/2 ends at `net::connection::http2`: behind it a request is like one of HTTP/1, a WebSocket is RFC 6455's handshake
//!   with a key of the gate's, and of a connection's requests under way all but one count as connections do;
//! - what a client does not take of an answer is read ahead by his connection's own task, over HTTP/2 by the stream's, and
//!   charged to one budget for all (`body::budget`) before it is there; an answer that is too short never ends well;
//! - no globals; no method and no path on the main port skips authentication, but for `health_path`, the login page, the
//!   networks of `auth.anonymous_from`, and a preflight of `allowed_origins`, which says nothing else and goes nowhere;
//! - whose connection it is is settled before its first byte of HTTP or TLS: a trusted proxy has to say so in a PROXY header, if
//!   the configuration says so, and nobody else can ([`net::proxy_header`]);
//! - CORS is the gate's: what a catcher says of it is dropped ([`guard::cors`]);
//! - a ticket opens the catcher's socket and nothing else, and no cookie of ours reaches the catcher;
//! - what a request sees of the configuration and the users is one snapshot, taken once; only `reload` replaces it;
//! - what stays open (a WebSocket, an event stream) is listed with its user, and held against each new snapshot;
//! - what came by mail is sandboxed wherever it is shown, whatever the answer's status; only `forward::hygiene` says how;
//! - what `status` tells holds no name, no address and no text that anybody else chose;
//! - only `config::load` sees what was written; a built configuration needs no further check.
//!
//! # What reaches the catcher
//!
//! Whatever came in, these bytes go out and no others (RFC 5234; `tests/support/grammar.rs` reads it, and `tests/it/wire.rs`
//! holds hostile bytes against it). `prefix` is the path of `upstream.url`. Requests on one connection follow one another,
//! each sent when the one before has been answered.
//!
//! ```text
//! request      = asked SP "HTTP/1.1" CRLF *( field CRLF ) CRLF [ body ]
//!
//! ; MailCatcher: what its route table has. No query, no body.
//! asked        = ( "GET" / "HEAD" ) SP prefix ( "/" / "/favicon.ico" / "/assets/" rest / "/messages"
//!                    / "/messages/" id "." format / "/messages/" id "/parts/" cid )
//!              / "DELETE" SP prefix ( "/messages/" id / "/messages" / "/" )  ; each with its own permission
//! id           = 1*19DIGIT                      ; no nought in front, at most 2^63 - 1
//! format       = "json" / "html" / "plain" / "source" / "eml"
//! rest         = segment *( "/" segment )       ; no empty segment but the last, no "%2F"
//! cid          = segment                        ; "%2F" may stand in it
//!
//! ; MailDev, MailDump, mailtutan, Mailpit, MailHog: what the table of each has (catcher::routes). No "%2F" in any path; a
//! ; query or a body as it came only where its table says so, and a body that says which messages go is written anew:
//! asked        =/ method SP prefix route [ "?" *( %x21-22 / %x24-7E ) ]
//! body         =/ "{" DQUOTE ( "IDs" / "ids" ) DQUOTE ":[" message *( "," message ) "]}"
//! message      = DQUOTE 1*128( ALPHA / DIGIT / "-" / "_" / "=" / "@" / "." / "+" ) DQUOTE
//!
//! ; generic: any method but CONNECT and TRACE, any path but /.mailwarden, a query in ASCII, a body of known length.
//! asked        =/ token SP prefix *( "/" segment ) [ "?" *( %x21-22 / %x24-7E ) ]
//! body         = *OCTET                         ; as many as content-length says; chunks never
//!
//! ; the gate's own, to MailCatcher: the list before a Clear or for several who wait for it, and what a purge, a failing
//! ; list and a purge's socket take. Nobody's user, address or other field is in it.
//! request      =/ own SP "HTTP/1.1" CRLF "host: " authority CRLF *( field CRLF ) CRLF
//! own          = "GET" SP prefix ( "/messages" / "/messages/" id "." format ) / "DELETE" SP prefix "/messages" [ "/" id ]
//!
//! segment      = *( pchar / "%" 2UPHEX )        ; escaped only where it must be: no control, no "\", not "." or ".."
//!
//! field        = name ": " value
//! name         = token                          ; lower case, without "_"
//! value        = *( HTAB / %x20-7E / %x80-FF )  ; no space at either end
//! ; exactly once: host, x-forwarded-proto; at most once: x-forwarded-for, x-real-ip, x-forwarded-host, x-forwarded-user,
//! ;   each with the gate's word or a trusted proxy's; content-length, and only with a body
//! ; together, and only in a WebSocket handshake: "connection: Upgrade", "upgrade: websocket", sec-websocket-key,
//! ;   sec-websocket-version: 13, sec-websocket-protocol, and with any but MailCatcher sec-websocket-extensions
//! ; never: any other connection or upgrade, keep-alive, proxy-connection, proxy-authenticate, proxy-authorization, proxy,
//! ;   te, trailer, transfer-encoding, http2-settings, expect; what a Connection line named; other x-forwarded-*,
//! ;   forwarded, remote-user, x-remote-user, x-auth-*, x-webauth-*; x-original-url, x-original-uri, x-rewrite-url; cookie
//! ;   (with a generic catcher ours only); authorization, but the catcher's own login; x-http-method-override and its like with
//! ;   what takes no "write" (but MailCatcher)
//! ; all else is passed as it came
//! ```

// The request's way, in its order.
pub mod app;
pub mod client_addr;
pub mod guard;

pub mod auth;
pub mod session;

pub mod authority;
pub mod catcher;
pub mod path;

pub mod access;
pub mod permission;

pub mod forward;
pub mod page;

// Old mail goes, on schedule or by hand.
pub mod purge;

pub mod access_log;
mod apart;
pub mod body;
pub mod conditions;
pub mod in_flight;
pub mod metrics;
pub mod reject;
pub mod sink;
mod state_dir;
pub mod vitals;
pub mod wire;

// Sockets, and the life of the daemon around them.
pub mod daemon;
pub mod isolation;
pub mod net;
pub mod reload;
pub mod signals;
pub mod status;
pub mod systemd;

// What people write: command line and configuration.
pub mod cli;
pub mod config;
pub mod logging;

// What people had before, as a configuration; and certificates for a development server. The daemon knows nothing of them.
pub mod cert;
pub mod convert;
