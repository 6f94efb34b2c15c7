//! What lets in without a password in the request: the socket ticket, the login page's session, the network.

// The ticket that a right password brings, and everything it is not good for.
mod ticket;

// The form, the session that it begins, and how that ends.
mod login;

// Sessions over restarts, and what lies in the state directory.
mod kept;

// Who comes without credentials, and the names under which the gate may be asked.
mod network;

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::Gate;
use crate::support::raw::Answer;

/// What a page of the gate's own has a browser say of itself, and one elsewhere.
const HERE: &str = "Origin: http://dev.test:8080\r\n";
const ELSEWHERE: &str = "Origin: http://evil.test\r\n";

/// `htpasswd -nbs anna other`
const ANNA_OTHER: &str = "anna:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=\n";
/// `htpasswd -nbs ben secret`
const BEN: &str = "ben:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

fn pair(config: &str) -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(config).start();
    (catcher, gate)
}

/// The value of the one cookie that an answer sets, and its attributes.
fn cookie(answer: &Answer) -> (String, String) {
    let line = answer.field("set-cookie").unwrap_or_else(|| panic!("no cookie: {}", answer.head));
    let (pair, attributes) = line.split_once("; ").unwrap();
    (pair.to_owned(), attributes.to_owned())
}

/// The header line that brings a cookie back.
fn with(pair: &str) -> String {
    format!("Cookie: {pair}\r\n")
}
