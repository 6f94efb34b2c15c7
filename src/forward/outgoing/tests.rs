use super::*;
use crate::client_addr::{Client, Peer};
use crate::forward::headers::tests::map;

static AUTHORITY: HeaderValue = HeaderValue::from_static("catcher:1080");
static LOGIN: HeaderValue = HeaderValue::from_static("Basic eA==");

/// Those of most requests.
const RULES: Rules =
    Rules { is_handshake: false, takes_overrides: true, takes_cookies: false, described: Described::AsItCame };

/// What goes, line by line, over a Unix socket and without a name of its own.
fn lines(headers: &HeaderMap, rules: Rules, login: Option<&HeaderValue>) -> Vec<(String, String)> {
    let (peer, peer_value, client) = way("unix", "unix", false);
    let way = Way { peer, peer_value: peer_value.as_ref(), client, host: None, secured: false };
    let mut lines = Vec::new();
    Outgoing::new(headers, rules, &way, None, &AUTHORITY, login)
        .each(|name, value| lines.push((name.to_string(), value.to_str().unwrap().to_owned())));
    lines.sort();
    lines
}

/// The names of what goes of `headers`, without those that go in any case.
fn came(headers: &HeaderMap, rules: Rules) -> Vec<String> {
    let names = lines(headers, rules, None).into_iter().map(|(name, _)| name);
    names.filter(|name| name != "host" && name != "x-forwarded-proto").collect()
}

#[test]
fn what_any_connection_line_names_stays_behind() {
    let headers = map(&[
        ("connection", "close"),
        ("connection", "x-secret, X-Other ,, \u{e4}"),
        ("x-secret", "1"),
        ("x-other", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("accept", "*/*"),
    ]);
    assert_eq!(came(&headers, RULES), ["accept"]);
}

#[test]
fn no_spelling_of_an_identity_or_forwarding_field_stays() {
    let headers = map(&[
        ("x-forwarded-user", "root"),
        ("X_Forwarded_User", "root"),
        ("x.forwarded.user", "root"),
        ("x-forwarded_user", "root"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-prefix", "/x"),
        ("forwarded", "for=1.2.3.4"),
        ("x-real-ip", "1.2.3.4"),
        ("x-remote-user", "root"),
        ("remote-user", "root"),
        ("remote.user", "root"),
        ("x-auth-request-email", "a@b"),
        ("x-webauth-user", "root"),
        ("X-Original-URL", "/x"),
        ("x-rewrite.url", "/x"),
        ("proxy", "http://evil"),
        ("sec-websocket-key", "x"),
        ("some_thing", "1"),
        ("x-requested-with", "XMLHttpRequest"),
        ("x-forwarded", "kept: names no claim of ours"),
        ("referer", "http://x/"),
    ]);
    assert_eq!(came(&headers, RULES), ["referer", "x-forwarded", "x-requested-with"]);
}

#[test]
fn ours_stand_in_the_place_of_what_came_whatever_a_connection_line_names() {
    let headers = map(&[
        ("connection", "host, authorization, x-forwarded-proto, content-type, content-length"),
        ("host", "a"),
        ("host", "b"),
        ("authorization", "Basic dGhlaXJz"),
        ("authorization", "Bearer x"),
        ("content-type", "text/plain"),
        ("content-encoding", "br"),
        ("content-length", "7"),
        ("content-length", "7"),
    ]);
    let sent = |described, login| {
        let lines = lines(&headers, Rules { described, ..RULES }, login);
        lines.into_iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>()
    };
    let (host, proto) = ("host: catcher:1080", "x-forwarded-proto: http");
    assert_eq!(sent(Described::NotAtAll, None), [host, proto]);
    assert_eq!(sent(Described::AsItCame, Some(&LOGIN))[..2], ["authorization: Basic eA==", "content-encoding: br"]);
    assert_eq!(sent(Described::AsEmpty, None), ["content-encoding: br", "content-length: 0", host, proto]);
    assert_eq!(sent(Described::AsJson, None), ["content-type: application/json", host, proto]);
}

#[test]
fn what_the_rules_leave_out_stays_behind_and_nothing_else() {
    let headers = map(&[
        ("sec-websocket-key", "x"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x-http-method-override", "DELETE"),
        ("cookie", "mailwarden_80=x"),
        ("cookie", "a=1; mailwarden_80=x"),
    ]);
    assert_eq!(
        came(&headers, RULES),
        ["x-http-method", "x-http-method-override", "x-method-override"],
        "no cookie and no handshake"
    );
    let rules = Rules { takes_overrides: false, takes_cookies: true, is_handshake: true, ..RULES };
    assert_eq!(came(&headers, rules), ["cookie", "sec-websocket-key"]);
    assert!(lines(&headers, rules, None).contains(&("cookie".to_owned(), "a=1".to_owned())));
}

#[test]
fn a_map_of_them_holds_the_same_lines() {
    let headers = map(&[("accept", "a"), ("x-a", "1"), ("accept", "b"), ("connection", "x-b"), ("x-b", "1")]);
    let (peer, peer_value, client) = way("192.0.2.1", "192.0.2.1", false);
    let way = Way { peer, peer_value: peer_value.as_ref(), client, host: None, secured: true };
    let outgoing = Outgoing::new(&headers, RULES, &way, None, &AUTHORITY, Some(&LOGIN));
    let mut each = Vec::new();
    outgoing.each(|name, value| each.push((name.clone(), value.clone())));
    let fields = outgoing.fields();
    let lines = fields.iter().map(|(name, value)| (name.clone(), value.clone()));
    assert_eq!(lines.collect::<Vec<_>>(), each);
    assert_eq!(each.len(), 8, "{each:?}");
    assert!(outgoing.is_cut() && outgoing.told_host() == "catcher:1080");
}

fn way(peer: &str, client: &str, trusted: bool) -> (Peer, Option<HeaderValue>, Client) {
    let parsed = |text: &str| if text == "unix" { Peer::Unix } else { Peer::Tcp(text.parse().unwrap()) };
    let peer = parsed(peer);
    (peer, address_value(peer), Client { addr: parsed(client), peer_is_trusted: trusted })
}

fn added(peer: &str, client: &str, trusted: bool, came: &[(&str, &str)]) -> HeaderMap {
    let (peer, peer_value, client) = way(peer, client, trusted);
    let host = HeaderValue::from_static("dev.test:8080");
    let way = Way { peer, peer_value: peer_value.as_ref(), client, host: Some(host.clone()), secured: false };
    let user = Some(HeaderValue::from_static("anna"));
    Outgoing::new(&map(came), RULES, &way, user, &AUTHORITY, None).fields()
}

#[test]
fn an_untrusted_peer_is_the_client_whatever_it_says() {
    let headers = added(
        "192.0.2.1",
        "192.0.2.1",
        false,
        &[
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-user", "root"),
        ],
    );
    for (name, want) in [
        (X_REAL_IP, "192.0.2.1"),
        (X_FORWARDED_FOR, "192.0.2.1"),
        (X_FORWARDED_HOST, "dev.test:8080"),
        (X_FORWARDED_PROTO, "http"),
        (X_FORWARDED_USER, "anna"),
    ] {
        assert_eq!(headers.get_all(&name).iter().collect::<Vec<_>>(), [want], "{name}");
    }
}

#[test]
fn a_trusted_peers_list_is_appended_to_and_its_host_and_proto_kept() {
    let headers = added(
        "10.0.0.1",
        "192.0.2.1",
        true,
        &[
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-host", "mail.example"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-user", "root"),
            ("forwarded", "for=6.6.6.6"),
        ],
    );
    for (name, want) in [
        (X_REAL_IP, "192.0.2.1"),
        (X_FORWARDED_FOR, "6.6.6.6, 192.0.2.1, 10.0.0.1"),
        (X_FORWARDED_HOST, "mail.example"),
        (X_FORWARDED_PROTO, "https"),
        (X_FORWARDED_USER, "anna"),
    ] {
        assert_eq!(headers.get_all(&name).iter().collect::<Vec<_>>(), [want], "{name}");
    }
    assert!(!headers.contains_key(header::FORWARDED));
}

#[test]
fn of_a_chain_of_proxies_the_host_and_proto_that_the_browser_used_are_told() {
    let told = |host: &str, proto: &str| {
        let came = [("x-forwarded-host", host), ("x-forwarded-proto", proto)];
        let headers = added("10.0.0.1", "10.0.0.1", true, &came);
        [X_FORWARDED_HOST, X_FORWARDED_PROTO].map(|name| headers[name].to_str().unwrap().to_owned())
    };
    assert_eq!(told("mail.example, inner:8080", "https, http"), ["mail.example", "https"]);
    assert_eq!(told("mail.example ,inner", "https"), ["mail.example", "https"]);
    for nothing in ["", ", inner", "a b", "a/b"] {
        assert_eq!(told(nothing, ""), ["dev.test:8080", "http"], "{nothing:?}");
    }
}

#[test]
fn a_unix_peer_has_no_address_to_add() {
    let headers = added("unix", "192.0.2.1", true, &[("x-forwarded-for", "192.0.2.1")]);
    assert_eq!(headers[X_FORWARDED_FOR], "192.0.2.1");
    let headers = added("unix", "unix", false, &[("x-forwarded-for", "192.0.2.1")]);
    assert!(!headers.contains_key(X_FORWARDED_FOR) && !headers.contains_key(X_REAL_IP));
}
