use std::time::Duration;

use super::client::Client;
use super::support::catcher::{Catcher, Mail, Options, QuitAnswer};
use super::{PATIENCE, catcher};

#[test]
fn heads_are_the_real_ones() {
    let catcher = catcher();
    let mut client = Client::to(catcher.http_addr());
    let list = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
                X-Content-Type-Options: nosniff\r\nConnection: keep-alive\r\nServer: thin";
    assert_eq!(client.get("/messages").head, list);
    assert_eq!(client.ask("HEAD", "/messages", "").head, list);

    let page = client.get("/");
    let length = page.body.len();
    let expected = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html;charset=utf-8\r\nContent-Length: {length}\r\n\
         X-XSS-Protection: 1; mode=block\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: SAMEORIGIN\r\n\
         Connection: keep-alive\r\nServer: thin"
    );
    assert_eq!(page.head, expected);

    let missing = "Content-Type: text/html;charset=utf-8\r\nContent-Length: 145\r\n\
                   X-XSS-Protection: 1; mode=block\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: SAMEORIGIN\r\n\
                   Connection: keep-alive\r\nServer: thin";
    assert_eq!(client.get("/messages/9.json").head, format!("HTTP/1.1 404 Not Found\r\n{missing}"));
    assert_eq!(client.get("/nowhere").head, format!("HTTP/1.1 404 Not Found\r\nX-Cascade: pass\r\n{missing}"));

    let cleared = "HTTP/1.1 204 No Content\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\nServer: thin";
    assert_eq!(client.ask("DELETE", "/messages", "").head, cleared);
}

#[test]
fn static_files_know_ranges_and_exact_dates() {
    let catcher = catcher();
    let mut client = Client::to(catcher.http_addr());
    let whole = client.get("/favicon.ico");
    let length = whole.body.len();
    let modified = whole.header("Last-Modified").unwrap();
    let expected = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: image/vnd.microsoft.icon\r\nLast-Modified: {modified}\r\n\
         Content-Length: {length}\r\nX-Content-Type-Options: nosniff\r\nConnection: keep-alive\r\nServer: thin"
    );
    assert_eq!(whole.head, expected);

    let later = client.ask("GET", "/favicon.ico", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n");
    assert_eq!(later.status(), "200");
    let unchanged = format!("If-Modified-Since: {modified}\r\n");
    assert_eq!(client.ask("GET", "/favicon.ico", &unchanged).status(), "304");

    for (range, bounds) in [("0-9", (0, 10)), ("10-", (10, length)), ("-4", (length - 4, length))] {
        let mut client = Client::to(catcher.http_addr());
        let part = client.ask("GET", "/favicon.ico", &format!("Range: bytes={range}\r\n"));
        let expected = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Type: image/vnd.microsoft.icon\r\nLast-Modified: {modified}\r\n\
             Content-Range: bytes {}-{}/{length}\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\
             Server: thin",
            bounds.0,
            bounds.1 - 1
        );
        assert_eq!((part.head, part.body.as_slice()), (expected, &whole.body[bounds.0..bounds.1]));
    }
}

#[test]
fn many_spellings_reach_the_list() {
    let catcher = catcher();
    let mut client = Client::to(catcher.http_addr());
    let spellings = [
        "/messages",
        "//messages",
        "/./messages",
        "/x/../messages",
        "/x/..%2fmessages",
        "/%6dessages",
        "/\\messages",
        "/%5Cmessages",
        "/messages?x",
        "/messages#f",
        "http://elsewhere/messages",
    ];
    for target in spellings {
        assert_eq!(client.get(target).text(), "[]", "{target}");
    }
    for target in
        ["/messages/", "/messages%2F", "/messages/.", "/messages/1", "/messages.json", "/MESSAGES", "/messages;x"]
    {
        let answer = client.get(target);
        assert_eq!((answer.status(), answer.header("X-Cascade")), ("404", Some("pass")), "{target}");
    }
    let answer = client.get("/messages?%ff");
    assert_eq!((answer.status(), answer.header("Content-Length")), ("400", Some("56")));
}

#[test]
fn many_spellings_make_it_quit() {
    let catcher = catcher();
    let spellings = [
        "/",
        "//",
        "/./",
        "/x/..",
        "/..",
        "/%2e",
        "/%2F",
        "/%2e%2e/",
        "/messages/..",
        "/messages/%2e%2e",
        "/\\",
        "*",
        "/?a=b",
        "/#f",
        "http://catcher.test/",
    ];
    for target in spellings {
        let answer = Client::to(catcher.http_addr()).ask("DELETE", target, "");
        assert_eq!(answer.status(), "204", "{target}");
        assert!(catcher.wait_until(PATIENCE, |state| state.quit), "{target}");
        catcher.restart();
    }
}

#[test]
fn quitting_ends_everything_and_may_lose_its_own_answer() {
    let catcher = Catcher::start(Options { quit_answer: QuitAnswer::Lost, ..Options::default() });
    let mut other = Client::to(catcher.http_addr());
    other.get("/messages");
    let mut client = Client::to(catcher.http_addr());
    client.send("DELETE / HTTP/1.1\r\n\r\n");
    assert!(client.rest().is_empty());
    assert!(other.rest().is_empty());
    assert!(catcher.has_quit());
    catcher.restart();
    assert!(!catcher.has_quit());
    assert_eq!(Client::to(catcher.http_addr()).get("/messages").status(), "200");
}

#[test]
fn it_does_not_quit_when_that_is_forbidden() {
    let catcher = Catcher::start(Options { no_quit: true, ..Options::default() });
    let mut client = Client::to(catcher.http_addr());
    for target in ["/", "//", "*", "/messages/.."] {
        let answer = client.ask("DELETE", target, "");
        assert_eq!((answer.status(), answer.header("Content-Length")), ("403", Some("0")), "{target}");
    }
    assert!(!client.get("/").text().contains("Quit"));
    assert_eq!(client.ask("DELETE", "/messages", "").status(), "204");
}

#[test]
fn everything_outside_the_prefix_is_redirected_to_it() {
    let catcher = Catcher::start(Options { http_path: "/mail".to_owned(), ..Options::default() });
    catcher.deliver_many(1);
    for target in ["/mail", "/mail/", "//mail", "/mail/messages", "/mail/assets/mailcatcher.css", "/mail/favicon.ico"] {
        assert_eq!(Client::to(catcher.http_addr()).get(target).status(), "200", "{target}");
    }
    assert!(Client::to(catcher.http_addr()).get("/mail").text().contains("<base href=\"/mail/\">"));
    for (method, target) in [("GET", "/"), ("GET", "/mailbox"), ("DELETE", "/messages"), ("GET", "/x/../mail/messages")]
    {
        let answer = Client::to(catcher.http_addr()).ask(method, target, "");
        let head = "HTTP/1.1 302 Moved Temporarily\r\nLocation: /mail\r\nConnection: close\r\nServer: thin";
        assert_eq!((answer.head.as_str(), answer.body.len()), (head, 0), "{method} {target}");
    }
    assert_eq!(catcher.message_ids(), [1]);
    Client::to(catcher.http_addr()).ask("DELETE", "/mail", "");
    assert!(catcher.wait_until(PATIENCE, |state| state.quit));
}

#[test]
fn other_methods_are_not_found() {
    let catcher = catcher();
    let mut client = Client::to(catcher.http_addr());
    for method in ["POST", "PUT", "PATCH", "OPTIONS", "TRACE", "55"] {
        let answer = client.ask(method, "/messages", "X-HTTP-Method-Override: DELETE\r\n");
        assert_eq!((answer.status(), answer.header("X-Cascade")), ("404", Some("pass")), "{method}");
    }
}

#[test]
fn a_foreign_referer_is_kept_from_json() {
    let catcher = catcher();
    catcher.deliver_many(1);
    let table = [
        ("", "200"),
        ("Referer: http://catcher.test:8080/\r\n", "200"),
        ("Referer: http://Catcher.test/\r\n", "403"), // case counts
        ("Referer: http://elsewhere/\r\n", "403"),
        ("Referer: http://a b/\r\n", "403"),
        ("Referer: /inbox\r\n", "200"),
        ("Referer: \r\n", "200"),
        ("Referer: http://elsewhere/\r\nOrigin: http://anywhere\r\n", "200"),
        ("Referer: http://elsewhere/\r\nX-Requested-With: XMLHttpRequest\r\n", "200"),
        ("Referer: http://elsewhere/\r\nX-Forwarded-Host: elsewhere:99, other\r\n", "200"),
        ("Referer: http://catcher.test/\r\nX-Forwarded-Host: elsewhere\r\n", "403"),
        ("Referer: http://elsewhere/\r\nForwarded: host=elsewhere\r\n", "403"),
    ];
    for target in ["/messages", "/messages/1.json"] {
        for (lines, status) in table {
            let answer = Client::to(catcher.http_addr()).ask("GET", target, lines);
            assert_eq!(answer.status(), status, "{target} {lines}");
        }
    }
    let answer = Client::to(catcher.http_addr()).ask("GET", "/messages", "Referer: http://elsewhere/\r\n");
    let head = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\nServer: thin";
    assert_eq!((answer.head.as_str(), answer.text().as_str()), (head, "Forbidden"));
    for target in ["/", "/messages/1.plain", "/messages/1.source"] {
        let answer = Client::to(catcher.http_addr()).ask("GET", target, "Referer: http://elsewhere/\r\n");
        assert_eq!(answer.status(), "200", "{target}");
    }
}

#[test]
fn only_the_leading_digits_of_an_id_count() {
    let catcher = catcher();
    catcher.deliver_many(3);
    let delete = |target| Client::to(catcher.http_addr()).ask("DELETE", target, "").status().to_owned();
    assert_eq!(delete("/messages/1abc"), "204");
    assert_eq!(delete("/messages/1"), "404");
    assert_eq!(delete("/messages/abc"), "404");
    assert_eq!(delete("/messages/%203"), "204");
    assert_eq!(catcher.message_ids(), [2]);
    assert_eq!(Client::to(catcher.http_addr()).get("/messages/2x.source").status(), "200");
}

#[test]
fn a_file_name_goes_out_as_the_bytes_it_came_in() {
    let catcher = catcher();
    let boundary = "Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n";
    let part = "Content-Type: application/pdf\r\nContent-ID: <att1@x>\r\n\
                Content-Disposition: attachment; filename=\"räp ort.pdf\"\r\n\r\nnot a pdf\r\n--B--\r\n";
    catcher.deliver(Mail::from_source(format!("{boundary}{part}")).aged(Duration::from_secs(60)));
    let mut client = Client::to(catcher.http_addr());
    let answer = client.ask("GET", "/messages/1/parts/att1@x", "Range: bytes=0-2\r\n");
    let as_bytes: Vec<u8> = answer.head.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let expected = "HTTP/1.1 200 OK\r\nContent-Type: application/pdf;charset=utf8\r\n\
                    Content-Disposition: attachment; filename=\"räp ort.pdf\"\r\nContent-Length: 9\r\n\
                    X-Content-Type-Options: nosniff\r\nConnection: keep-alive\r\nServer: thin";
    assert_eq!(String::from_utf8(as_bytes).unwrap(), expected);
    assert_eq!(answer.text(), "not a pdf");
    assert_eq!(client.get("/messages/1/parts/other").status(), "404");
}
