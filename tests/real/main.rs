//! The gate among what people really run: other mail catchers behind it, a browser before it, and systemd and fail2ban
//! around it.
//!
//! `tests/run` installs the tools that these tests start. A tool that is missing is a failure, never a skip.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop, and say why"
)]

#[path = "../support/mod.rs"]
mod support;

/// HAProxy and nginx, which hand on bytes and say whose they are.
mod balancers;
/// Chromium logs in to the demo on a name, as people do.
mod browser;
/// Catchers of other kinds, and the gate before them.
mod catcher;
/// Certificates of our own making, before the programs that have to take them.
mod cert;
/// The image of the Dockerfile, and the compose file that runs it.
mod container;
/// Another site's page in the browser of somebody who is logged in.
mod cross_site;
/// The README's first command: what it prints is true.
mod demo;
/// A jail for guessers: who is counted, by the real lines.
mod fail2ban;
/// Mails that attack whoever opens them, in Chromium, with the gate and without.
mod hostile_mail;
/// HTTP/2 by the programs that people use.
mod http2;
/// A server and a laptop in namespaces of their own: what is found, and what the printed rules close.
mod isolation;
/// The inbox page and the gate's script in it: everything that parts the page from the catcher, and what comes of it.
mod live;
/// Node: Express and Angular, socket.io as long polling and as a WebSocket.
mod maildev2;
/// Node: Fastify and React, socket.io too.
mod maildev3;
/// Python and Flask under gevent: live updates as server-sent events, redirects made from `Host`.
mod maildump;
/// Rust and axum: live updates by WebSocket, and a catcher that breaks for good.
mod mailtutan;
/// Many tabs of many people at once.
mod many;
/// The way between a browser and the gate, and how it breaks.
mod network;
/// The nginx block that this replaces, and what it lets through.
mod nginx;
/// Programs that the tests start, and how they end.
mod process;
/// Socket.io, as its client speaks it.
mod socket_io;
/// The unit files, as systemd's own tools read them.
mod systemd;
