use proptest::prelude::*;

use super::*;

type Told = (u16, Vec<(String, Vec<u8>)>, Framing, bool, Vec<u8>);

/// What an answer to a `method` request says that comes in these pieces; none if its head is not whole. The fields of an
/// earlier head are still in the memory that is used again.
fn told(method: &Method, pieces: &[&[u8]]) -> Result<Option<Told>, Failure> {
    let (mut bytes, mut fields) = (BytesMut::new(), HeaderMap::new());
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from_static("99"));
    for piece in pieces {
        let before = bytes.len();
        bytes.extend_from_slice(piece);
        if (before == 0 || may_end(&bytes, before))
            && let Some((answer, framing, stays)) = read(&mut bytes, method, &mut fields)?
        {
            let line = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.as_bytes().to_vec());
            let fields = answer.headers().iter().map(line).collect();
            return Ok(Some((answer.status().as_u16(), fields, framing, stays, bytes.to_vec())));
        }
    }
    Ok(None)
}

fn whole(method: &Method, text: &str) -> Option<(u16, Framing, bool)> {
    told(method, &[text.as_bytes()]).unwrap().map(|(status, _, framing, stays, _)| (status, framing, stays))
}

#[test]
fn a_request_is_written_as_the_rfc_has_it() {
    let request = Request::get("/messages?a=b").header("host", "dev").header("x-a", "1").header("x-a", "\u{e4}");
    let head = written(&request.body(()).unwrap());
    assert_eq!(
        String::from_utf8(head).unwrap(),
        "GET /messages?a=b HTTP/1.1\r\nhost: dev\r\nx-a: 1\r\nx-a: \u{e4}\r\n\r\n"
    );
}

#[test]
fn the_end_of_an_answer_is_found_as_the_rfc_finds_it() {
    use Framing::{Ended, Length, UntilClose};
    let chunked = Framing::Chunked(Chunk::Size);
    for (head, method, told) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5", Method::GET, (200, Length(5), true)),
        ("HTTP/1.1 200 OK\nContent-Length: 5", Method::GET, (200, Length(5), true)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0", Method::GET, (200, Ended, true)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5", Method::GET, (200, Length(5), true)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5", Method::HEAD, (200, Ended, false)),
        ("HTTP/1.1 204 No Content", Method::GET, (204, Ended, true)),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5", Method::GET, (304, Ended, true)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked", Method::GET, (200, chunked, true)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", Method::GET, (200, chunked, false)),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 0", Method::GET, (204, Ended, true)),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 5", Method::GET, (204, Ended, false)),
        ("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked", Method::GET, (304, Ended, false)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked", Method::GET, (200, chunked, true)),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip", Method::GET, (200, UntilClose, true)),
        ("HTTP/1.1 200 OK", Method::GET, (200, UntilClose, true)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x, Close", Method::GET, (200, Length(5), false)),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5", Method::GET, (200, Length(5), false)),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive", Method::GET, (200, Length(5), true)),
        ("HTTP/1.1 101 Switching Protocols", Method::GET, (101, Ended, true)),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 404 No",
            Method::GET,
            (404, UntilClose, true),
        ),
    ] {
        assert_eq!(whole(&method, &format!("{head}\r\n\r\n")), Some(told), "{head}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_no_answer() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6",
        "HTTP/1.1 200 OK\r\nContent-Length: 0, 5",
        "HTTP/1.1 200 OK\r\nContent-Length: +5",
        "HTTP/1.1 200 OK\r\nContent-Length: ",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nA: b\r\n c",
        "HTTP/1.1 200 OK\r\nA : b",
        "HTTP/1.1 200 OK\r\nno colon",
        "HTTP/1.1 200 OK\r\nA: b\0",
        "HTTP/1.1 099 Low",
        "HTTP/2 200 OK",
        "SSH-2.0-OpenSSH",
    ] {
        let read = told(&Method::GET, &[head.as_bytes(), b"\r\n\r\n"]);
        assert!(matches!(read, Err(Failure::Malformed(_))), "{head}: {read:?}");
    }
}

#[test]
fn of_a_length_that_is_said_twice_one_is_passed_on() {
    for twice in ["Content-Length: 5, 5", "Content-Length: 5\r\nContent-Length: 5"] {
        let head = format!("HTTP/1.1 200 OK\r\n{twice}\r\n\r\n");
        let (_, fields, ..) = told(&Method::GET, &[head.as_bytes()]).unwrap().unwrap();
        assert_eq!(fields, [("content-length".to_owned(), b"5".to_vec())]);
    }
}

#[test]
fn a_head_that_is_too_long_is_refused_however_much_is_there_at_once() {
    let head = |length| format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(length));
    assert!(told(&Method::GET, &[head(ANSWER_HEAD - 30).as_bytes()]).unwrap().is_some());
    assert!(told(&Method::GET, &[head(ANSWER_HEAD).as_bytes()]).is_err());
}

#[test]
fn an_interim_answer_alone_is_not_the_answer_and_leaves_no_field() {
    let (interim, last) = (&b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"[..], &b"HTTP/1.1 200 OK\r\n\r\n"[..]);
    assert!(told(&Method::GET, &[interim]).unwrap().is_none());
    for pieces in [&[interim, last][..], &[&[interim, last].concat()]] {
        let (status, fields, ..) = told(&Method::GET, pieces).unwrap().unwrap();
        assert_eq!((status, fields), (200, vec![]));
    }
}

#[test]
fn a_reason_that_is_not_the_usual_one_is_kept() {
    let mut bytes = BytesMut::from("HTTP/1.1 200 Fine\r\n\r\n");
    let (answer, ..) = read(&mut bytes, &Method::GET, &mut HeaderMap::new()).unwrap().unwrap();
    assert_eq!(answer.extensions().get::<ReasonPhrase>().unwrap().as_bytes(), b"Fine");
}

proptest! {
    #[test]
    fn a_head_means_the_same_however_it_arrives(
        fields in prop::collection::vec(("[a-zA-Z-]{1,12}", "[!-~]{0,12}"), 0..8),
        cuts in prop::collection::vec(1usize..40, 0..6),
    ) {
        let lines: String = fields.iter().map(|(name, value)| format!("x{name}: {value}\r\n")).collect();
        let text = format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 4\r\n\r\n");
        let expected = told(&Method::GET, &[text.as_bytes()]).unwrap().unwrap();
        prop_assert_eq!(expected.1.len(), fields.len() + 1);
        let (mut rest, mut pieces) = (text.as_bytes(), Vec::new());
        for cut in cuts {
            let (piece, behind) = rest.split_at(cut.min(rest.len().saturating_sub(1)));
            pieces.push(piece);
            rest = behind;
        }
        pieces.push(rest);
        pieces.retain(|piece| !piece.is_empty());
        prop_assert_eq!(told(&Method::GET, &pieces).unwrap().unwrap(), expected);
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 1..200), text in "HTTP/1.1 200[ \r\n:,a-z0-9]{0,60}") {
        let _ = told(&Method::GET, &[&bytes]);
        let _ = told(&Method::GET, &[text.as_bytes()]);
    }
}
