//! One test for each published hole of programs like this one, named for it: what was done to them is done to us.
//!
//! A test belongs here when somebody once got through. Each says in its comment who was hit and how that is called.

// What the answers of a catcher could do to a client.
mod answers;
// Where credentials are, and are not, taken from.
mod credentials;
// Header fields: hop-by-hop, identity, forwarding.
mod fields;
// One request that two programs read as two, or as another one.
mod framing;
// Lines of a log that somebody else wrote.
mod logs;
// Spellings of a path that mean another one.
mod paths;
// Ways around a tunnel's handshake.
mod tunnels;
// Lines of the users file that must not open a door.
mod users_file;

use crate::support::catcher::{Catcher, Mail, Options, Recorded};
use crate::support::gate::Gate;
use crate::support::raw::Answer;

/// A catcher with one mail in it, and a gate before it with this configuration.
fn pair(config: &str) -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    catcher.deliver(Mail::new("Hello"));
    let gate = Gate::to(catcher.http_addr()).config(config).start();
    (catcher, gate)
}

/// Sends these bytes on a connection of their own and reads one answer; none, if the connection ends without.
fn sent(gate: &Gate, bytes: impl AsRef<[u8]>) -> Option<Answer> {
    let mut client = gate.connect();
    client.send(bytes);
    client.try_answer(false)
}

/// The one request that the catcher has seen.
fn only(catcher: &Catcher) -> Recorded {
    let mut requests = catcher.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.pop().unwrap()
}

/// Claims that the catcher has heard nothing, and forgives nothing that it hears later: its mail is still there.
fn untouched(catcher: &Catcher, what: impl std::fmt::Debug) {
    assert!(catcher.requests().is_empty(), "{what:?} reached the catcher: {:?}", catcher.requests());
    assert_eq!(catcher.message_ids(), [1], "{what:?}");
    assert!(!catcher.has_quit(), "{what:?}");
}
