use std::process::Command;

use crate::catcher::{self, Catcher};
use crate::process::tool;
use crate::socket_io;
use crate::support::kind::Kind;
use crate::support::smtp_client::send_mail;

fn maildev() -> Catcher {
    let program = tool("maildev3/node_modules/maildev/dist/bin/maildev.js");
    Catcher::start(|http, smtp| {
        let mut command = Command::new("node");
        let [http, smtp] = [http, smtp].map(|port| port.to_string());
        command.arg(&program).args(["--ip", "127.0.0.1", "--web-ip", "127.0.0.1", "-w", &http, "-s", &smtp]);
        command
    })
}

const KIND: Kind = Kind {
    name: "maildev3",
    list: "/api/email/summary?limit=200",
    messages: |list| list["items"].as_array().unwrap().clone(),
    id: "id",
    subject: |message| message["subject"].as_str().unwrap().to_owned(),
    delete: |id| ("POST /api/email/delete".to_owned(), format!("{{\"ids\":[\"{id}\"]}}")),
    clear: "DELETE /api/email/all",
};

#[test]
fn its_page_loads_and_it_is_recognised() {
    let maildev = maildev();
    KIND.its_page_loads(maildev.http);
    KIND.auto_recognises_it(maildev.http);
}

#[test]
fn deleting_and_clearing_take_their_permissions() {
    let maildev = maildev();
    KIND.deleting_and_clearing_take_their_permissions(maildev.http, &|subject| {
        send_mail(maildev.smtp, subject, "text")
    });
}

#[test]
fn a_purge_leaves_the_newest() {
    let maildev = maildev();
    KIND.a_purge_leaves_the_newest(maildev.http, &|subject| send_mail(maildev.smtp, subject, "text"));
}

#[test]
fn live_events_come_by_long_polling_and_by_websocket() {
    let maildev = maildev();
    let gate = KIND.gate(maildev.http);
    socket_io::nobody_listens_without_a_login(&gate);
    let send = || send_mail(maildev.smtp, "live", "text");
    socket_io::polled(&gate, send);
    socket_io::over_a_websocket(&gate, send);
}

#[test]
fn in_a_browser_a_mail_is_shown_and_its_script_runs_nowhere() {
    let paths = ["/api/email/ID/html", "/api/email/ID/source", "/api/email"];
    for mode in ["allow", "block"] {
        catcher::a_mail_is_shown_and_its_script_runs_nowhere(&KIND, &maildev(), mode, paths);
    }
}
