use super::*;

/// These lines, in their order.
pub(in crate::forward) fn map(lines: &[(&str, &str)]) -> HeaderMap {
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
fn of_an_answer_every_connection_line_is_read_before_one_is_removed() {
    let mut headers = map(&[
        ("connection", "close"),
        ("connection", "x-secret, X-Other ,, \u{e4}"),
        ("x-secret", "1"),
        ("x-other", "1"),
        ("keep-alive", "timeout=5"),
        ("upgrade", "h2c"),
        ("content-type", "text/plain"),
    ]);
    clean_answer(&mut headers);
    assert_eq!(names(&headers), ["content-type"]);
}

#[test]
fn what_a_catcher_says_of_other_sites_is_dropped() {
    let mut headers = map(&[("access-control-allow-origin", "*"), ("Access-Control-X", "1"), ("vary", "origin")]);
    clean_answer(&mut headers);
    assert_eq!(names(&headers), ["vary"]);
}

#[test]
fn a_length_that_a_transfer_coding_overrode_goes() {
    let mut headers = map(&[("transfer-encoding", "chunked"), ("content-length", "5"), ("connection", "close")]);
    clean_answer(&mut headers);
    assert!(headers.is_empty());
}
