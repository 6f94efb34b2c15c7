use crate::support::catcher::{Catcher, Mail, Options, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::eventually;
use crate::support::raw::Answer;

const POLICY: &str = "content-security-policy";

const MAIL: &str = "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain\r\n\r\nplain\r\n\
    --b\r\nContent-Type: text/html\r\n\r\n<p>hello\r\n\
    --b\r\nContent-Type: image/svg+xml\r\nContent-ID: <one@x>\r\nContent-Disposition: attachment; filename=\"a.svg\"\r\n\r\n<svg/>\r\n\
    --b\r\nContent-Type: text/javascript\r\nContent-ID: <two@x>\r\n\r\nalert(1)\r\n--b--\r\n";

fn pair(config: &str) -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    catcher.deliver(Mail::from_source(MAIL));
    let gate = Gate::to(catcher.http_addr()).config(config).start();
    (catcher, gate)
}

fn asked(gate: &Gate, line: &str) -> Answer {
    gate.connect().request(line, AS_ANNA)
}

fn is_sandboxed(answer: &Answer) -> bool {
    matches!(&answer.all(POLICY)[..], [policy] if policy.starts_with("sandbox") && !policy.contains("allow-scripts"))
}

#[test]
fn mail_is_sandboxed_whatever_its_format_method_and_status() {
    let (catcher, gate) = pair("");
    let formats = ["1.html", "1.plain", "1.source", "1.eml", "1/parts/one@x"];
    for path in formats.iter().chain(&["99.html", "99.plain", "1/parts/none@x"]) {
        for method in ["GET", "HEAD"] {
            let answer = asked(&gate, &format!("{method} /messages/{path}"));
            assert_eq!(answer.status, if path.contains("99") || path.contains("none") { 404 } else { 200 }, "{path}");
            assert!(is_sandboxed(&answer), "{method} {path}: {}", answer.head);
            assert_eq!(answer.all("x-content-type-options"), ["nosniff"], "{path}");
            assert_eq!(answer.all("referrer-policy"), ["no-referrer"], "{path}");
            assert_eq!(answer.all("cross-origin-resource-policy"), ["same-origin"], "{path}");
        }
    }
    for status in ["304 Not Modified", "206 Partial Content", "302 Found", "500 Internal Server Error"] {
        catcher.on("GET /messages/1.html", Script::reply(status, &[("Content-Type", "text/html")], ""));
        assert!(is_sandboxed(&asked(&gate, "GET /messages/1.html")), "{status}");
    }
    let answer = asked(&gate, "GET /messages/1/parts/one@x");
    assert_eq!(answer.field("content-disposition").unwrap(), "attachment; filename=\"a.svg\"");
    assert_eq!(answer.field("content-type").unwrap(), "image/svg+xml;charset=utf8");
}

#[test]
fn a_script_that_came_by_mail_is_text() {
    let (_catcher, gate) = pair("");
    let answer = asked(&gate, "GET /messages/1/parts/two@x");
    assert_eq!(
        (answer.text().trim_end(), answer.all("content-type")[0].as_str()),
        ("alert(1)", "text/plain;charset=utf-8")
    );
}

#[test]
fn the_page_and_data_have_policies_of_their_own_and_files_none() {
    let (_catcher, gate) = pair("");
    let page = asked(&gate, "GET /");
    let policies = page.all(POLICY);
    assert!(matches!(&policies[..], [policy] if policy.starts_with("script-src 'self'; ")), "{}", page.head);
    assert_eq!(page.all("x-frame-options"), ["SAMEORIGIN"], "the catcher's own stays");
    for path in ["/messages", "/messages/1.json"] {
        assert_eq!(asked(&gate, &format!("GET {path}")).all(POLICY), ["default-src 'none'; frame-ancestors 'none'"]);
    }
    for path in ["/assets/mailcatcher.js", "/favicon.ico"] {
        let answer = asked(&gate, &format!("GET {path}"));
        assert!(answer.all(POLICY).is_empty() && answer.field("cross-origin-resource-policy").is_none(), "{path}");
    }
}

#[test]
fn the_catchers_own_policy_is_kept_beside_ours() {
    let (catcher, gate) = pair("");
    let theirs = [("Content-Security-Policy", "img-src 'none'"), ("Content-Security-Policy", "sandbox allow-scripts")];
    catcher.on("GET /messages/1.html", Script::reply("200 OK", &theirs, "x"));
    let policies = asked(&gate, "GET /messages/1.html").all(POLICY);
    assert_eq!(policies[..2], ["img-src 'none'", "sandbox allow-scripts"]);
    assert!(policies.len() == 3 && policies[2].starts_with("sandbox allow-same-origin "), "{policies:?}");
}

#[test]
fn nothing_that_came_by_mail_becomes_a_service_worker() {
    let (catcher, gate) = pair("");
    let before = catcher.requests().len();
    let fields = format!("{AS_ANNA}Service-Worker: script\r\n");
    for path in ["/messages/1/parts/two@x", "/messages/1.plain", "/messages", "/"] {
        let answer = gate.connect().request(&format!("GET {path}"), &fields);
        assert_eq!(answer.status, 403, "{path}");
    }
    assert_eq!(catcher.requests().len(), before, "the catcher is not asked");
    gate.access_line(|line| line.contains(r#"reason="service worker""#));
    assert_eq!(gate.connect().request("GET /assets/mailcatcher.js", &fields).status, 200);
}

#[test]
fn in_a_tab_that_says_so_no_message_has_an_origin() {
    let (_catcher, gate) = pair("");
    for format in ["plain", "html"] {
        let with = |dest: &str| {
            let fields = format!("{AS_ANNA}Sec-Fetch-Dest: {dest}\r\n");
            gate.connect().request(&format!("GET /messages/1.{format}"), &fields).all(POLICY).join("")
        };
        assert!(with("iframe").contains("allow-same-origin") && !with("document").contains("allow-same-origin"));
    }
}

#[test]
fn remote_content_is_blocked_from_the_reload_on_that_says_so() {
    let (_catcher, gate) = pair("");
    let loads_remote = || asked(&gate, "GET /messages/1.html").all(POLICY)[0].contains("img-src *");
    assert!(loads_remote());
    let config = std::fs::read_to_string(gate.config_file()).unwrap();
    std::fs::write(gate.config_file(), format!("{config}mail.remote_content = \"block\"\n")).unwrap();
    gate.signal("HUP");
    eventually("the policy of the new configuration", || (!loads_remote()).then_some(()));
}

#[test]
fn an_unknown_catchers_answers_are_its_own() {
    let catcher = Catcher::start(Options::default());
    let gate =
        Gate::to(catcher.http_addr()).config("upstream.catcher = \"generic\"\nmail.remote_content = \"block\"").start();
    catcher.on("GET /any", Script::reply("200 OK", &[("Content-Type", "text/html")], "x"));
    let fields = format!("{AS_ANNA}Service-Worker: script\r\n");
    let answer = gate.connect().request("GET /any", &fields);
    assert_eq!(answer.status, 200);
    for name in [POLICY, "cache-control", "referrer-policy", "cross-origin-resource-policy", "x-content-type-options"] {
        assert!(answer.field(name).is_none(), "{name}: {}", answer.head);
    }
}
