//! The main job: who has the password reaches the catcher, nobody else does.

use crate::support::catcher::{Catcher, Mail, Options};
use crate::support::gate::{AS_ANNA, Gate};

#[test]
fn a_user_with_the_password_reads_the_list_and_nobody_else_does() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver(Mail::new("Hello"));
    let gate = Gate::to(catcher.http_addr()).start();

    let refused = gate.connect().request("GET /messages", "");
    assert_eq!(refused.status, 401);
    assert_eq!(refused.field("www-authenticate").unwrap(), r#"Basic realm="Restricted", charset="UTF-8""#);
    assert!(catcher.requests().is_empty());

    let answer = gate.connect().request("GET /messages", AS_ANNA);
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(answer.text().contains("Hello"), "{}", answer.text());
    gate.access_line(|line| line.contains("status=200") && line.contains(r#"user="anna""#));
}
