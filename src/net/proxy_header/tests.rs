//! What is a header, what is none, and that no bytes are anything else.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;

use super::v1::LONGEST;
use super::*;

fn named(text: &[u8]) -> Result<Option<String>, Fault> {
    let header = parse(text)?.expect("a whole header");
    assert_eq!(header.length, text.len());
    Ok(header.client.map(|client| client.to_string()))
}

/// A header of version 2 with this command and family, addresses and fields.
fn v2(command: u8, family: u8, addresses: &[u8], fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut block = addresses.to_vec();
    for (kind, value) in fields {
        block.push(*kind);
        block.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        block.extend_from_slice(value);
    }
    let mut bytes = v2::SIGNATURE.to_vec();
    bytes.extend([0x20 | command, family]);
    bytes.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    bytes.extend(block);
    bytes
}

const V4: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 5, 0xc3, 0x50, 0x1f, 0x90];

fn v6(source: &str) -> Vec<u8> {
    let source: std::net::Ipv6Addr = source.parse().unwrap();
    [&source.octets()[..], &[0; 16], &[1, 2, 3, 4]].concat()
}

#[test]
fn a_line_names_its_source() {
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST - 16));
    assert_eq!(longest.len(), LONGEST);
    for (line, client) in [
        ("PROXY TCP4 192.0.2.7 10.0.0.5 50000 8080\r\n", Some("192.0.2.7")),
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some("255.255.255.255")),
        ("PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n", Some("1.2.3.4")),
        ("PROXY TCP6 2001:db8::7 2001:db8::5 50000 8080\r\n", Some("2001:db8::7")),
        ("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", Some("192.0.2.7")),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN 1.2.3.4 whatever\r\n", None),
        (&longest, None),
    ] {
        assert_eq!(named(line.as_bytes()), Ok(client.map(str::to_owned)), "{line:?}");
    }
}

#[test]
fn a_line_is_as_the_specification_has_it_or_none() {
    for line in [
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.5 50000\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.5 50000 8080 \r\n",
        "PROXY TCP4  192.0.2.7 10.0.0.5 50000 8080\r\n",
        "PROXY TCP4 192.0.2.07 10.0.0.5 50000 8080\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0 50000 8080\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.5 65536 8080\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.5 +5 8080\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.5 05 8080\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.5  8080\r\n",
        "PROXY TCP4 2001:db8::7 10.0.0.5 1 2\r\n",
        "PROXY TCP6 192.0.2.7 10.0.0.5 1 2\r\n",
        "PROXY TCP4 192.0.2.7\t10.0.0.5 1 2\r\n",
        "PROXY UDP4 192.0.2.7 10.0.0.5 1 2\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY unknown\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.5 1 2\n",
        "PROXY TCP4 192.0.2.7 10.0.0.5 1 2\r\r\n",
        "PROXY TCP4 192.0.2.7\0 10.0.0.5 1 2\r\n",
    ] {
        assert!(matches!(parse(line.as_bytes()), Err(Fault::Broken(_))), "{line:?}");
    }
    let endless = format!("PROXY UNKNOWN {}", "x".repeat(LONGEST));
    assert_eq!(parse(&endless.as_bytes()[..LONGEST - 1]), Ok(None));
    assert_eq!(parse(endless.as_bytes()), Err(Fault::Broken("its line does not end")));
    // Its last byte that may be is half of the end.
    let half = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST - 15));
    assert_eq!(parse(&half.as_bytes()[..LONGEST]), Err(Fault::Broken("its line does not end with CRLF")));
}

#[test]
fn other_bytes_are_no_header() {
    for bytes in ["GET / HTTP/1.1\r\n\r\n", "PROXYTCP4", "PROXX", "proxy ", "\r\n\r\nGET", "\x16\x03\x01", " PROXY "] {
        assert_eq!(parse(bytes.as_bytes()), Err(Fault::Missing), "{bytes:?}");
    }
    for bytes in ["", "P", "PROXY", "\r", "\r\n\r\n\0\r\nQUIT"] {
        assert_eq!(parse(bytes.as_bytes()), Ok(None), "{bytes:?}");
    }
}

#[test]
fn binary_addresses_name_their_source() {
    let unix = [b'/'; 216];
    for (family, addresses, client) in [
        (0x11, V4.to_vec(), Some("192.0.2.7")),
        (0x12, V4.to_vec(), Some("192.0.2.7")),
        (0x21, v6("2001:db8::7"), Some("2001:db8::7")),
        (0x22, v6("::ffff:192.0.2.7"), Some("192.0.2.7")),
        (0x31, unix.to_vec(), Some("unix")),
        (0x32, unix.to_vec(), Some("unix")),
        (0x00, Vec::new(), None),
        (0x00, V4.to_vec(), None),
    ] {
        assert_eq!(named(&v2(1, family, &addresses, &[])), Ok(client.map(str::to_owned)), "{family:#x}");
    }
    // LOCAL: whatever else it holds.
    for (family, block) in [(0x00, &b""[..]), (0x11, V4), (0x77, b"xyz")] {
        assert_eq!(named(&v2(0, family, block, &[])), Ok(None), "{family:#x}");
    }
}

#[test]
fn binary_that_is_not_as_the_specification_has_it_is_none() {
    let broken = |what| Err(Fault::Broken(what));
    let mut version = v2(1, 0x11, V4, &[]);
    version[12] = 0x11;
    assert_eq!(parse(&version), broken("its version is neither 1 nor 2"));
    assert_eq!(parse(&v2(2, 0x11, V4, &[])), broken("its command is neither LOCAL nor PROXY"));
    for family in [0x01, 0x10, 0x13, 0x41, 0xff] {
        assert_eq!(parse(&v2(1, family, &[0; 255], &[])), broken("its family of addresses is not known"));
    }
    for (family, length) in [(0x11, 11), (0x21, 35), (0x31, 215)] {
        assert_eq!(parse(&v2(1, family, &vec![0; length], &[])), broken("it is too short for its addresses"));
    }
    assert_eq!(parse(&v2(1, 0x11, &[V4, &[4]].concat(), &[])), broken("a field is cut short"));
    assert_eq!(parse(&v2(1, 0x11, &[V4, &[4, 0, 1]].concat(), &[])), broken("a field is longer than it"));
}

#[test]
fn fields_are_passed_over_but_for_what_they_say_of_tls() {
    let by_tls = |fields: &[(u8, &[u8])]| parse(&v2(1, 0x11, V4, fields)).map(|header| header.unwrap().by_tls);
    assert_eq!(by_tls(&[(0x01, b"h2"), (0x04, &[0; 300]), (0xee, b"")]), Ok(false));
    // Flags, the result of verifying a certificate, and fields within the field.
    assert_eq!(by_tls(&[(0x02, b"dev.test"), (0x20, &[1, 0, 0, 0, 1, 0x21, 0, 7])]), Ok(true));
    assert_eq!(by_tls(&[(0x20, &[6, 0, 0, 0, 0])]), Ok(false));
    assert_eq!(by_tls(&[(0x20, b"")]), Ok(false));
}

#[test]
fn a_checksum_has_to_be_right() {
    let mut bytes = v2(1, 0x11, V4, &[(0x04, b"x"), (0x03, &[0; 4]), (0x02, b"dev.test")]);
    let at = bytes.len() - 4 - 3 - 8;
    let right = checksum::of_header(&bytes, at);
    bytes[at..at + 4].copy_from_slice(&right);
    assert_eq!(named(&bytes), Ok(Some("192.0.2.7".to_owned())));
    // But for the byte that says that the field is a checksum.
    for index in (16..bytes.len()).filter(|index| *index != at - 3) {
        let mut bytes = bytes.clone();
        bytes[index] ^= 0x20;
        assert!(parse(&bytes).is_err(), "{index}");
    }
    let short = v2(1, 0x11, V4, &[(0x03, &[0; 3])]);
    assert_eq!(parse(&short), Err(Fault::Broken("its checksum is wrong")));
}

fn header() -> impl Strategy<Value = Vec<u8>> {
    let ip4 = any::<[u8; 4]>().prop_map(std::net::Ipv4Addr::from);
    let ip6 = any::<[u8; 16]>().prop_map(std::net::Ipv6Addr::from);
    let fields = proptest::collection::vec((4..=0x1f_u8, proptest::collection::vec(any::<u8>(), 0..40)), 0..4);
    prop_oneof![
        (ip4, any::<u16>()).prop_map(|(ip, port)| format!("PROXY TCP4 {ip} 10.0.0.1 {port} 80\r\n").into_bytes()),
        (ip6, any::<u16>()).prop_map(|(ip, port)| format!("PROXY TCP6 {ip} ::1 {port} 80\r\n").into_bytes()),
        (any::<[u8; 12]>(), fields).prop_map(|(addresses, fields)| {
            let fields: Vec<_> = fields.iter().map(|(kind, value)| (*kind, value.as_slice())).collect();
            v2(1, 0x11, &addresses, &fields)
        }),
    ]
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, cut in 0..40_usize) {
        let _ = parse(&bytes);
        for beginning in [v2::SIGNATURE, v1::BEGINNING, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x20", b"PROXY TCP4 "] {
            let bytes = [beginning, &bytes].concat();
            if let Ok(Some(header)) = parse(&bytes) {
                prop_assert!(header.length <= bytes.len());
            }
            let _ = parse(&bytes[..cut.min(bytes.len())]);
        }
    }

    /// All of what is not yet a header is taken from the connection, so that none of it may be the client's.
    #[test]
    fn a_header_is_whole_at_its_last_byte_and_not_before(header in header(), after: Vec<u8>) {
        for end in 0..header.len() {
            prop_assert_eq!(parse(&header[..end]), Ok(None), "{}", end);
        }
        let whole = parse(&header).unwrap().unwrap();
        prop_assert_eq!(whole.length, header.len());
        prop_assert_eq!(parse(&[header, after].concat()), Ok(Some(whole)));
    }
}
