//! Whatever the frames and however they are cut, the same messages come out.

use super::*;

/// A frame as it may come: its first byte's end bit, opcode, payload.
#[derive(Clone, Debug)]
struct Part(bool, Opcode, Vec<u8>);

fn payloads() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..130),
        prop::collection::vec(any::<u8>(), 120..400),
        (4_000usize..5_000).prop_map(|length| vec![b'x'; length]),
        (65_500usize..70_000).prop_map(|length| vec![b'y'; length]),
    ]
}

/// A message in one frame or several, with pings and pongs between them.
fn message() -> impl Strategy<Value = Vec<Part>> {
    let control = prop::option::of((any::<bool>(), prop::collection::vec(any::<u8>(), 0..125)));
    (any::<bool>(), prop::collection::vec((payloads(), control), 1..4)).prop_map(|(is_text, fragments)| {
        let last = fragments.len() - 1;
        let first = if is_text { Opcode::Text } else { Opcode::Binary };
        let mut parts = Vec::new();
        for (number, (payload, control)) in fragments.into_iter().enumerate() {
            let opcode = if number == 0 { first } else { Opcode::Continuation };
            parts.push(Part(number == last, opcode, payload));
            if let Some((is_ping, payload)) = control {
                parts.push(Part(true, if is_ping { Opcode::Ping } else { Opcode::Pong }, payload));
            }
        }
        parts
    })
}

fn written(parts: &[Part], sender: Sender) -> Vec<u8> {
    let mut out = BytesMut::new();
    for Part(fin, opcode, payload) in parts {
        let at = out.len();
        frame::put(&mut out, sender, *opcode, payload);
        if !fin {
            out[at] &= 0x7f;
        }
    }
    out.to_vec()
}

/// A frame as it was read: its end bit, opcode and payload without the mask.
type Read = (bool, Opcode, Vec<u8>);

/// Reads frames until `count` have come that are no pings of ours, and fails at what is none.
async fn frames_of(from: &mut (impl AsyncRead + Unpin), sender: Sender, count: usize) -> (Vec<Read>, usize) {
    let (mut bytes, mut order) = (BytesMut::new(), frame::Order::default());
    let (mut frames, mut pings) = (Vec::new(), 0);
    while frames.len() < count {
        let Some(head) =
            Head::parse(&bytes, sender).unwrap().filter(|head| bytes.len() as u64 >= head.head as u64 + head.payload)
        else {
            assert_ne!(from.read_buf(&mut bytes).await.unwrap(), 0, "it ended after {} of {count}", frames.len());
            continue;
        };
        order.next(&head).unwrap();
        let mut frame = bytes.split_to(head.head + head.payload as usize);
        let mut payload = frame.split_off(head.head);
        frame::unmask(&mut payload, head.mask);
        let is_ours = match head.opcode {
            Opcode::Ping => payload.starts_with(b"mwrd"),
            Opcode::Text => payload.starts_with(br#"{"type":"mailwarden","beat":"#),
            _ => false,
        };
        if is_ours {
            pings += 1;
        } else {
            frames.push((head.fin, head.opcode, payload.to_vec()));
        }
    }
    (frames, pings)
}

/// Writes the bytes in pieces, with time for pings of ours to come due in between.
async fn in_pieces(to: &mut (impl AsyncWrite + Unpin), bytes: Vec<u8>, cuts: Vec<usize>) {
    let mut rest = &bytes[..];
    for cut in cuts.iter().cycle() {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        to.write_all(piece).await.unwrap();
        if after.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(90)).await;
        rest = after;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_frames_however_cut_arrive_whole_in_order_and_once_with_nothing_but_frames_between(
        up in prop::collection::vec(message(), 1..5), down in prop::collection::vec(message(), 1..5),
        cuts in prop::collection::vec(1usize..9_000, 1..20), buffer in 64usize..5_000, enhanced: bool,
    ) {
        let (up, down) = (up.concat(), down.concat());
        let asked = Rhythm { every: Duration::from_millis(250), silence: Duration::from_secs(1 << 20) };
        let pace = Pace { catcher: asked, browser: asked, stall: asked.silence, held: 10_000 };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (seen_up, seen_down) = runtime.block_on(async {
            let Ends { browser, catcher, .. } = tunnel_at(buffer, enhanced, pace);
            let (mut from_browser, mut to_browser) = tokio::io::split(browser);
            let (mut from_catcher, mut to_catcher) = tokio::io::split(catcher);
            let (_, _, up, down) = tokio::join!(
                in_pieces(&mut to_browser, written(&up, Sender::Client), cuts.clone()),
                in_pieces(&mut to_catcher, written(&down, Sender::Server), cuts.clone()),
                frames_of(&mut from_catcher, Sender::Client, up.len()),
                frames_of(&mut from_browser, Sender::Server, down.len()),
            );
            (up.0, down.0)
        });
        let sent = |parts: Vec<Part>| parts.into_iter().map(|Part(fin, opcode, payload)| (fin, opcode, payload));
        prop_assert!(seen_up == sent(up).collect::<Vec<_>>(), "what the browser sent");
        prop_assert!(seen_down == sent(down).collect::<Vec<_>>(), "what the catcher sent");
    }

    #[test]
    fn any_bytes_end_in_frames(bytes in prop::collection::vec(any::<u8>(), 0..200), as_browser: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let out = runtime.block_on(async {
            let Ends { browser, catcher, .. } = tunnel(1 << 16);
            let (mut from, to) = if as_browser { (browser, catcher) } else { (catcher, browser) };
            from.write_all(&bytes).await.unwrap();
            drop(from);
            rest(to).await
        });
        // All of it is frames, but for one that never ended.
        let sender = if as_browser { Sender::Client } else { Sender::Server };
        let mut rest = &out[..];
        while let Some(head) = Head::parse(rest, sender).unwrap() {
            match rest.get(head.head + head.payload as usize..) {
                Some(after) => rest = after,
                None => break,
            }
        }
    }
}
