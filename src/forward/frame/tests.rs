use proptest::prelude::*;

use super::*;

fn written(fin: bool, opcode: u8, mask: Option<[u8; 4]>, payload: u64) -> Vec<u8> {
    let mut out = vec![u8::from(fin) << 7 | opcode];
    let masked = u8::from(mask.is_some()) << 7;
    match payload {
        0..=125 => out.push(masked | payload as u8),
        126..=0xffff => {
            out.push(masked | 126);
            out.extend((payload as u16).to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend(payload.to_be_bytes());
        }
    }
    out.extend(mask.into_iter().flatten());
    out
}

#[test]
fn what_is_no_frame_is_refused_as_soon_as_it_shows() {
    for (bytes, sender, want) in [
        (&[0xc1, 0x00][..], Sender::Server, FrameError::ReservedBits),
        (&[0x83, 0x00], Sender::Server, FrameError::Opcode(3)),
        (&[0x8f, 0x00], Sender::Server, FrameError::Opcode(15)),
        (&[0x81, 0x00], Sender::Client, FrameError::Mask),
        (&[0x81, 0x80], Sender::Server, FrameError::Mask),
        (&[0x89, 0x7e], Sender::Server, FrameError::Control),
        (&[0x09, 0x00], Sender::Server, FrameError::Control),
        (&[0x81, 0x7e, 0x00, 0x7d], Sender::Server, FrameError::Length),
        (&[0x81, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Sender::Server, FrameError::Length),
        (&[0x81, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0], Sender::Server, FrameError::Length),
    ] {
        assert_eq!(Head::parse(bytes, sender), Err(want), "{bytes:?}");
    }
}

#[test]
fn fragments_follow_their_beginning_and_control_frames_stand_between() {
    let head = |opcode, fin| Head { fin, opcode, mask: None, payload: 0, head: 2 };
    let mut order = Order::default();
    assert!(order.next(&head(Opcode::Continuation, true)).is_err());
    assert!(order.next(&head(Opcode::Text, false)).is_ok());
    assert!(order.next(&head(Opcode::Ping, true)).is_ok());
    assert!(order.next(&head(Opcode::Text, true)).is_err());
    assert!(order.next(&head(Opcode::Continuation, true)).is_ok());
    assert!(order.next(&head(Opcode::Binary, true)).is_ok());
}

proptest! {
    #[test]
    fn a_written_head_is_read_back_from_any_number_of_its_bytes(
        fin: bool, opcode in prop_oneof![0u8..3, 8u8..11], masked: bool, mask: [u8; 4],
        payload in prop_oneof![0u64..300, 65_000u64..66_000, 0u64..(1 << 63)],
    ) {
        let control = opcode >= 8;
        let (fin, payload) = if control { (true, payload % 126) } else { (fin, payload) };
        let sender = if masked { Sender::Client } else { Sender::Server };
        let mask = masked.then_some(mask);
        let bytes = written(fin, opcode, mask, payload);
        for cut in 0..bytes.len() {
            prop_assert_eq!(Head::parse(&bytes[..cut], sender), Ok(None));
        }
        let head = Head::parse(&bytes, sender).unwrap().unwrap();
        prop_assert_eq!((head.fin, head.opcode.bits(), head.mask, head.payload), (fin, opcode, mask, payload));
        prop_assert_eq!(head.head, bytes.len());
        prop_assert!(head.head <= LONGEST_HEAD);
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        let _ = Head::parse(&bytes, Sender::Client);
        let _ = Head::parse(&bytes, Sender::Server);
    }
}

#[test]
fn our_own_frames_are_frames() {
    for sender in [Sender::Client, Sender::Server] {
        for (opcode, length) in
            [(Opcode::Close, 2), (Opcode::Ping, 6), (Opcode::Text, 125), (Opcode::Text, 126), (Opcode::Text, 65_535)]
                .into_iter()
                .chain([(Opcode::Text, 65_536), (Opcode::Pong, 0)])
        {
            let mut out = BytesMut::new();
            put(&mut out, sender, opcode, &vec![7; length]);
            let head = Head::parse(&out, sender).unwrap().unwrap();
            assert_eq!((head.opcode, head.payload, head.fin), (opcode, length as u64, true));
            assert_eq!(head.mask, (sender == Sender::Client).then_some([0; 4]));
            assert_eq!(out.len(), head.head + length);
        }
    }
}

#[test]
fn close_codes_that_must_not_be_sent_are_refused() {
    let with = |code: u16, reason: &[u8]| [&code.to_be_bytes()[..], reason].concat();
    assert_eq!(close_code(b""), Ok(None));
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4999] {
        assert_eq!(close_code(&with(code, b"why")), Ok(Some(code)), "{code}");
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        assert_eq!(close_code(&with(code, b"")), Err(FrameError::CloseCode), "{code}");
    }
    assert_eq!(close_code(&[3]), Err(FrameError::CloseCode));
    assert_eq!(close_code(&with(1000, b"\xff")), Err(FrameError::CloseReason));
    assert_eq!(FrameError::CloseReason.code(), 1007);
}
