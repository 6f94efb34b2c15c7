use super::*;

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

#[test]
fn each_hop_by_hop_field_is_known_whatever_its_first_letter() {
    let known = "connection expect http2-settings keep-alive proxy-authenticate proxy-authorization proxy-connection te \
                 trailer transfer-encoding upgrade";
    assert!(known.split_whitespace().all(|name| is_hop_by_hop(&HeaderName::from_static(name))));
    assert!(!is_hop_by_hop(&header::COOKIE) && !is_hop_by_hop(&header::ACCEPT));
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_connection_line_is_read_before_one_is_removed() {
    let mut headers = map(&[
        ("connection", "close"),
        ("connection", "x-secret, X-Other ,, \u{e4}"),
        ("x-secret", "1"),
        ("x-other", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("accept", "*/*"),
    ]);
    strip_hop_by_hop(&mut headers);
    assert_eq!(names(&headers), ["accept"]);
}

#[test]
fn no_spelling_of_an_identity_or_forwarding_field_stays() {
    let mut headers = map(&[
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
    strip_claims(&mut headers, false);
    assert_eq!(names(&headers), ["referer", "x-forwarded", "x-requested-with"]);
}

fn way(peer: &str, client: &str, trusted: bool) -> (Peer, Option<HeaderValue>, Client) {
    let parsed = |text: &str| if text == "unix" { Peer::Unix } else { Peer::Tcp(text.parse().unwrap()) };
    let peer = parsed(peer);
    (peer, address_value(peer), Client { addr: parsed(client), peer_is_trusted: trusted })
}

fn added(peer: &str, client: &str, trusted: bool, came: &[(&str, &str)]) -> HeaderMap {
    let (peer, peer_value, client) = way(peer, client, trusted);
    let mut headers = map(came);
    let believed = Believed::take(&headers, client);
    strip_claims(&mut headers, false);
    let host = HeaderValue::from_static("dev.test:8080");
    let way = Way { peer, peer_value: peer_value.as_ref(), client, host: Some(&host), secured: false };
    add_ours(&mut headers, &way, believed, Some(HeaderValue::from_static("anna")));
    headers
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

#[test]
fn a_length_that_a_transfer_coding_overrode_goes() {
    let mut headers = map(&[("transfer-encoding", "chunked"), ("content-length", "5"), ("connection", "close")]);
    clean_answer(&mut headers);
    assert!(headers.is_empty());
}
