//! What `check` says of good, doubtful and bad configurations.

use serde_json::{Value, json};

use super::*;

/// A file with this text in a directory of its own; the directory goes with it.
fn file(text: &str) -> (tempfile::TempDir, Source) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.toml");
    std::fs::write(&path, text).unwrap();
    (dir, Source { path: Some(path), ..Source::default() })
}

fn loaded(_: &AuthConfig) -> UsersReport {
    UsersReport::Loaded {
        count: 12,
        formats: BTreeMap::from([("apr1".to_owned(), 8), ("bcrypt".to_owned(), 4)]),
        problems: vec![LineProblem { line: 3, means: Means::CannotLogIn, reason: "has no colon".to_owned() }],
        unlisted: 0,
        names: BTreeSet::from([b"anna".to_vec(), b"ci-bot".to_vec()]),
    }
}

fn said(text: &str, users: impl Fn(&AuthConfig) -> UsersReport) -> String {
    let (dir, source) = file(text);
    words::tell(&report(&source, users)).replace(&format!("{}/", dir.path().display()), "")
}

fn said_as_json(text: &str, users: impl Fn(&AuthConfig) -> UsersReport) -> Value {
    let (dir, source) = file(text);
    let text = json(&report(&source, users)).replace(&format!("{}/", dir.path().display()), "");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_plain_configuration_in_words() {
    let text = "workers = 1\n[auth]\nusers_file = \"/srv/htpasswd\"\n";
    let expected = "\
Configuration     m.toml
Listens on        0.0.0.0:8080
                  [::]:8080 (skipped on a machine without IPv6)
Status on         127.0.0.1:9080
Forwards to       http://127.0.0.1:1080, catcher mailcatcher
Believes          nobody's X-Forwarded-* headers
Lets in           the users of /srv/htpasswd, realm \"Restricted\"
                  12 users: 8 apr1, 4 bcrypt
They may          view, delete, clear
Inbox page        is given /.mailwarden/live.js, which keeps live updates alive
Mails             run no scripts, and may load pictures and styles from other servers
";
    let said = said(text, loaded);
    assert!(said.starts_with(expected), "{said}");
    assert!(said.ends_with("warning: /srv/htpasswd:3: cannot log in: has no colon\n"), "{said}");
}

#[test]
fn what_blocking_leaves_open_is_said() {
    let said = said("mail.remote_content = \"block\"", loaded);
    let lines = "Mails             run no scripts and load nothing from other servers\n\
        \x20                 a browser may still connect to one that a mail names, without asking for anything\n";
    assert!(said.contains(lines), "{said}");
}

#[test]
fn everything_that_is_not_usual_is_said() {
    let text = r#"
        listen = ["unix:/run/m.sock"]
        hosts = ["mail.dev", "mail.test"]
        allowed_origins = ["https://App.test:8443", "http://dev"]
        state_dir = "/srv/state"
        auth.login_page = true
        auth.anonymous_from = ["10.1.0.0/16", "0.0.0.0/0"]
        trusted_proxies = ["10.0.0.0/8", "unix"]
        proxy_protocol = true
        limits.body = "2MiB"
        log.format = "json"
        mail.remote_content = "block"
        [upstream]
        url = "http://mail.test:1080/mail"
        catcher = "generic"
        [access]
        default = ["view", "delete"]
        users = { ci-bot = ["view"], gone = [] }
        anonymous = ["view", "clear"]
    "#;
    let said = said(text, loaded);
    for line in [
        "Listens on        unix:/run/m.sock\n",
        "Forwards to       http://mail.test:1080/mail, catcher generic\n",
        "Believes          the X-Forwarded-* headers of 10.0.0.0/8, unix\n\
         \x20                 and the PROXY header with which each of their connections has to begin\n",
        "Answers to        mail.dev, mail.test, addresses and localhost, and no other name\n",
        "Other sites       pages of https://app.test:8443, http://dev may use it with the user's login\n",
        "Mails             as the catcher shows them: of a generic one nothing is known\n",
        "warning: mail.remote_content: means nothing with catcher generic, whose messages are not known as such\n",
        "Login page        /.mailwarden/login; http://user:password@host bookmarks lead there\n",
        "                  keeps its key in /srv/state\n",
        "Without a login   10.1.0.0/16, 0.0.0.0/0: view, clear\n",
        "warning: auth.anonymous_from: everybody is let in without credentials\n",
        "warning: auth.anonymous_from: 10.1.0.0/16 lies within trusted_proxies, and nobody is let in who is taken for a proxy\n",
        "warning: access.anonymous: clear means nothing with catcher generic, which has view, write\n",
        "They may          view, delete\n\
         \x20                 but     view  write  by\n\
         \x20                 ci-bot  yes   -      own list\n\
         \x20                 gone    -     -      own list\n",
        "Other than usual  limits.body = 2MiB (default 1MiB)\n                  log.format = json (default text)\n                  state_dir = /srv/state (default /var/lib/mailwarden)\n",
        "warning: access.default: delete means nothing with catcher generic, which has view, write\n",
    ] {
        assert!(said.contains(line), "{line}\nis not in\n{said}");
    }
}

#[test]
fn a_redirect_without_an_http_entry_is_doubtful() {
    let with = |listen: &str| {
        said(&format!("listen = [{listen}]\nredirect = true\n[tls]\ncert_file = \"/no\"\nkey_file = \"/no\"\n"), loaded)
    };
    let warning = "warning: redirect: no entry of listen is http";
    assert!(with("\"https://127.0.0.1:8443\"").contains(warning));
    assert!(!with("\"https://127.0.0.1:8443\", \"127.0.0.1:8080\"").contains(warning));
}

#[test]
fn the_same_as_json() {
    let found = said_as_json("trusted_proxies = [\"0.0.0.0/0\"]\nlimits.body = \"2MiB\"\n", loaded);
    assert_eq!(found["ok"], true);
    assert_eq!(found["file"], "m.toml");
    assert_eq!(found["listen"][1], json!({ "address": "[::]:8080", "skipped_without_ipv6": true }));
    assert_eq!(found["upstream"]["url"], "http://127.0.0.1:1080");
    assert_eq!(found["auth"]["users"]["state"], "loaded");
    assert_eq!(found["auth"]["users"]["formats"], json!({ "apr1": 8, "bcrypt": 4 }));
    assert_eq!(
        found["access"],
        json!({ "default": ["view", "delete", "clear"], "users": {}, "groups": {}, "anonymous": ["view"] })
    );
    assert_eq!(found["mail"], json!({ "remote_content": "allow" }));
    assert_eq!(found["settings"]["timeouts.keep_alive"], "75s");
    assert_eq!(found["differs_from_default"], json!({ "limits.body": "1MiB" }));
    assert_eq!(found["errors"], json!([]));
    assert_eq!(
        found["warnings"],
        json!([
            "/etc/mailwarden/htpasswd:3: cannot log in: has no colon",
            "trusted_proxies: anybody can say what address they come from",
        ])
    );
}

#[test]
fn all_errors_are_told_in_both_forms() {
    let text = "lisen = []\n[timeouts]\nsend = \"0s\"\n";
    assert_eq!(
        said(text, loaded),
        "m.toml:1: lisen: unknown key; did you mean listen?\n\
         m.toml:3: timeouts.send: \"0s\" is no time at all; write at least \"1ms\"\n"
    );
    let found = said_as_json(text, loaded);
    assert_eq!(found["ok"], false);
    assert_eq!(
        found["errors"][0],
        json!({
            "file": "m.toml", "line": 1, "key": "lisen", "reason": "unknown key; did you mean listen?",
            "text": "m.toml:1: lisen: unknown key; did you mean listen?",
        })
    );
    assert_eq!(found["errors"].as_array().map(Vec::len), Some(2));
    assert_eq!(found.get("listen"), None);
}

#[test]
fn only_a_configured_users_file_must_exist() {
    let missing = |_: &AuthConfig| UsersReport::Missing;
    assert_eq!(
        said("auth.users_file = \"/srv/htpasswd\"", missing),
        "auth.users_file: /srv/htpasswd does not exist; make it with: mailwarden user add NAME --file /srv/htpasswd\n"
    );
    let said = said("", missing);
    assert!(said.contains("nobody yet: there is no such file\n"), "{said}");
    assert!(
        said.ends_with(
            "warning: /etc/mailwarden/htpasswd does not exist: everybody is refused until it does; \
             make it with: mkdir -p /etc/mailwarden && mailwarden user add NAME --file /etc/mailwarden/htpasswd\n"
        ),
        "{said}"
    );
}

#[test]
fn an_unreadable_users_file_stops_the_start() {
    let unreadable = |_: &AuthConfig| UsersReport::Unreadable { reason: "Permission denied".to_owned() };
    assert_eq!(said("", unreadable), "auth.users_file: Permission denied\n");
}

#[test]
fn a_users_file_without_users_is_doubtful() {
    let empty = |_: &AuthConfig| UsersReport::Loaded {
        count: 0,
        formats: BTreeMap::new(),
        problems: Vec::new(),
        unlisted: 0,
        names: BTreeSet::new(),
    };
    let said = said("", empty);
    assert!(said.contains("                  0 users\n"), "{said}");
    assert!(said.ends_with("warning: /etc/mailwarden/htpasswd holds no user: everybody is refused\n"), "{said}");
}

#[test]
fn the_exit_code_tells_good_from_bad() {
    let exit = |text: &str| {
        let (_dir, source) = file(text);
        report(&source, users_report).exit()
    };
    assert_eq!(exit("workers = 1"), Exit::Success);
    assert_eq!(exit("workers = 0"), Exit::Config);
    assert_eq!(exit("auth.users_file = \"/nowhere/htpasswd\""), Exit::Config);
}

#[test]
fn who_may_do_what_by_groups_is_a_table() {
    let text = r#"
        [access]
        groups = { qa = ["anna", "ci-bot", "gone"], ops = ["ci-bot"], idle = ["anna"] }
        users = { "@qa" = ["view", "write"], "@ops" = ["quit"], anna = ["view", "clear"], "@opps" = [] }
    "#;
    let said = said(text, loaded);
    for lines in [
        "They may          view, delete, clear\n\
         \x20                 but     view  delete  clear  quit  by\n\
         \x20                 anna    yes   -       yes    -     own list\n\
         \x20                 ci-bot  yes   -       -      yes   @ops, @qa\n\
         \x20                 gone    yes   -       -      -     @qa\n",
        "warning: access.users.\"@opps\": no group opps in access.groups\n",
        "warning: access.groups.idle: no list for it; write \"@idle\" = [...] in access.users, or it changes nothing\n",
        "warning: access.groups.qa: no user gone in /etc/mailwarden/htpasswd\n",
        "warning: access.users.\"@qa\": write means nothing with catcher mailcatcher, which has view, delete, clear, quit\n",
    ] {
        assert!(said.contains(lines), "{lines}\nis not in\n{said}");
    }
    let found = said_as_json(text, loaded);
    assert_eq!(found["ok"], true, "users come and go");
    assert_eq!(found["access"]["groups"]["qa"], json!(["anna", "ci-bot", "gone"]));
    assert_eq!(found["access"]["users"]["ci-bot"], json!(["view", "quit", "write"]));
}

#[test]
fn a_list_for_nobody_is_doubtful() {
    let said = said("[access]\nusers = { anna = [\"view\"], ana = [\"view\"] }\n", loaded);
    assert!(said.contains("warning: access.users.ana: no user ana in /etc/mailwarden/htpasswd\n"), "{said}");
    assert!(!said.contains("no user anna"), "{said}");
}
