//! The two directions of an open tunnel, until both have ended.
//!
//! [`frames()`] is for a catcher whose socket is known: it follows the frames, so that it knows where one of our own may
//! stand, ends what breaks the protocol, and keeps the catcher's `quit` from the page, which would alert and leave the
//! site. [`bytes()`] is for any other. Both stop reading where the other side does not take more: what is held is bounded.
//!
//! A direction that ends is closed for writing on the other side, and the opposite direction goes on; it has
//! [`LINGER`] to end as well.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until, timeout};

use super::frame::{self, FrameError, Head, Opcode, Order, Sender};
use super::tunnels::{Leave, Place};

/// How long one direction may go on after the other has ended.
pub const LINGER: Duration = Duration::from_secs(60);

/// How long a last frame may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The longest event that is looked at as a whole, in bytes; MailCatcher's `quit` has 15.
const EVENT: u64 = 1024;

/// How much is read at a time, in bytes. An open socket holds two such buffers.
const CHUNK: usize = 4 * 1024;

/// How a tunnel ended.
#[derive(Debug)]
pub enum End {
    /// Both sides had closed.
    Closed,
    /// One side closed and the other did not follow.
    Lingered,
    /// A connection broke.
    Broke(io::Error),
    /// A side sent what is no frame.
    Protocol(Sender, FrameError),
    /// It had to end.
    Left(Leave),
}

/// Relays frames until both sides have closed, one breaks, or the tunnel has to leave its `place`: then the browser is
/// told 1001 when the gate stops, and 1008 when its user may not have it any more (RFC 6455 section 7.4.1).
pub async fn frames<C, U>(client: C, catcher: U, place: &Place) -> End
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (from_client, to_client) = tokio::io::split(client);
    let (from_catcher, to_catcher) = tokio::io::split(catcher);
    let mut up = Pump::new(from_client, to_catcher, Sender::Client);
    let mut down = Pump::new(from_catcher, to_client, Sender::Server);
    let mut linger = None;
    loop {
        let ended = tokio::select! {
            ended = up.run(), if !up.ended => ended.map_err(|why| (Sender::Client, why)),
            ended = down.run(), if !down.ended => ended.map_err(|why| (Sender::Server, why)),
            () = sleep_until(linger.unwrap_or_else(Instant::now)), if linger.is_some() => return End::Lingered,
            leave = place.left() => {
                let code = match leave {
                    Leave::Stopping => frame::CLOSE_GOING_AWAY,
                    Leave::Revoked => frame::CLOSE_POLICY,
                };
                say_last(&mut up, &mut down, code).await;
                return End::Left(leave);
            }
        };
        match ended {
            Ok(()) if up.ended && down.ended => return End::Closed,
            Ok(()) => linger = Some(Instant::now() + LINGER),
            Err((_, Fault::Io(error))) => return End::Broke(error),
            Err((sender, Fault::Frame(error))) => {
                say_last(&mut up, &mut down, frame::CLOSE_PROTOCOL_ERROR).await;
                return End::Protocol(sender, error);
            }
        }
    }
}

/// Relays bytes until both sides have closed, one breaks, or the tunnel has to leave its `place`.
pub async fn bytes<C, U>(client: C, catcher: U, place: &Place) -> End
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_catcher, mut to_catcher) = tokio::io::split(catcher);
    let up = async {
        tokio::io::copy(&mut from_client, &mut to_catcher).await?;
        to_catcher.shutdown().await
    };
    let down = async {
        tokio::io::copy(&mut from_catcher, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::pin!(up, down);
    let (mut up_ended, mut down_ended) = (false, false);
    let mut linger = None;
    loop {
        let ended = tokio::select! {
            ended = &mut up, if !up_ended => { up_ended = true; ended }
            ended = &mut down, if !down_ended => { down_ended = true; ended }
            () = sleep_until(linger.unwrap_or_else(Instant::now)), if linger.is_some() => return End::Lingered,
            leave = place.left() => return End::Left(leave),
        };
        match ended {
            Ok(()) if up_ended && down_ended => return End::Closed,
            Ok(()) => linger = Some(Instant::now() + LINGER),
            Err(error) => return End::Broke(error),
        }
    }
}

/// Closes both sides with a frame of ours, where one may stand.
async fn say_last<C, U>(up: &mut Pump<C, U>, down: &mut Pump<U, C>, code: u16)
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    // To the catcher it is the browser that goes away: it has broken no rule.
    let to_catcher = if code == frame::CLOSE_POLICY { frame::CLOSE_GOING_AWAY } else { code };
    let (to_browser, to_catcher) = (frame::server_close(code), frame::client_close(to_catcher));
    // Whoever does not take a few bytes by then does not get them.
    let _ = timeout(LAST_WORDS, async { tokio::join!(down.close(&to_browser), up.close(&to_catcher)) }).await;
}

/// One direction. All its state is in here and not in the future, so that the future can be dropped at any await and
/// the frame boundary is still known.
struct Pump<R, W> {
    from: ReadHalf<R>,
    to: WriteHalf<W>,
    sender: Sender,
    order: Order,
    /// Read and not yet looked at.
    input: BytesMut,
    /// Looked at and not yet written.
    output: BytesMut,
    /// How much of the current frame's payload has not been looked at.
    payload_left: u64,
    ended: bool,
}

enum Fault {
    Io(io::Error),
    Frame(FrameError),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Self {
        Fault::Frame(error)
    }
}

impl<R: AsyncRead, W: AsyncWrite> Pump<R, W> {
    fn new(from: ReadHalf<R>, to: WriteHalf<W>, sender: Sender) -> Self {
        Self {
            from,
            to,
            sender,
            order: Order::default(),
            input: BytesMut::new(),
            output: BytesMut::new(),
            payload_left: 0,
            ended: false,
        }
    }

    /// Passes frames on until the sender ends. Nothing is lost if it is dropped and called again.
    async fn run(&mut self) -> Result<(), Fault> {
        loop {
            self.write_out().await?;
            if self.look()? {
                continue;
            }
            self.input.reserve(CHUNK);
            if self.from.read_buf(&mut self.input).await? == 0 {
                self.to.shutdown().await?;
                self.ended = true;
                return Ok(());
            }
        }
    }

    async fn write_out(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            if self.to.write_buf(&mut self.output).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.to.flush().await
    }

    /// Moves what may pass from the input to the output; false when more must be read first.
    fn look(&mut self) -> Result<bool, FrameError> {
        if self.payload_left > 0 && !self.input.is_empty() {
            let taken = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(self.input.len());
            self.output.unsplit(self.input.split_to(taken));
            self.payload_left -= taken as u64;
            return Ok(true);
        }
        let Some(head) = Head::parse(&self.input, self.sender)? else { return Ok(false) };
        if self.is_event(&head) {
            let whole = head.head + usize::try_from(head.payload).unwrap_or(usize::MAX);
            if self.input.len() < whole {
                return Ok(false);
            }
            self.order.next(&head)?;
            if self.input.get(head.head..whole).is_some_and(is_quit) {
                tracing::info!("the catcher ends; its farewell is kept from the page");
                self.input.advance(whole);
            } else {
                self.output.unsplit(self.input.split_to(whole));
            }
            return Ok(true);
        }
        self.order.next(&head)?;
        self.output.unsplit(self.input.split_to(head.head));
        self.payload_left = head.payload;
        Ok(true)
    }

    /// Whether a frame is one of the catcher's short text messages, which are looked at as a whole.
    fn is_event(&self, head: &Head) -> bool {
        self.sender == Sender::Server && head.opcode == Opcode::Text && head.fin && head.payload <= EVENT
    }

    /// Writes a last frame, unless the direction has ended or stands inside a frame.
    async fn close(&mut self, last: &[u8]) {
        if self.ended || self.write_out().await.is_err() || self.payload_left > 0 {
            return;
        }
        if self.to.write_all(last).await.is_ok() {
            let _ = self.to.shutdown().await;
        }
    }
}

/// Whether an event is the catcher's farewell, at which the page alerts and navigates to the project's site.
fn is_quit(payload: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(rename = "type", borrow)]
        kind: std::borrow::Cow<'a, str>,
    }
    serde_json::from_slice::<Event<'_>>(payload).is_ok_and(|event| event.kind == "quit")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::time::SystemTime;

    use tokio::io::{DuplexStream, duplex};
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::super::tunnels::Tunnels;
    use super::*;
    use crate::auth::Identity;
    use crate::metrics::Metrics;
    use crate::permission::Permission;

    /// A server's whole text frame.
    fn text(payload: &str) -> Vec<u8> {
        let mut out = vec![0x81];
        match payload.len() {
            short @ 0..=125 => out.push(short as u8),
            long => {
                out.push(126);
                out.extend((long as u16).to_be_bytes());
            }
        }
        out.extend(payload.as_bytes());
        out
    }

    /// A client's whole text frame with a zero mask.
    fn masked(payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0x81, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        out.extend(payload);
        out
    }

    struct Ends {
        browser: DuplexStream,
        catcher: DuplexStream,
        stop: CancellationToken,
        tunnels: Tunnels,
        relay: tokio::task::JoinHandle<End>,
    }

    fn tunnel(buffer: usize) -> Ends {
        let (browser, client) = duplex(buffer);
        let (upstream, catcher) = duplex(buffer);
        let stop = CancellationToken::new();
        let metrics = Arc::new(Metrics::new(SystemTime::now()).unwrap());
        let tunnels = Tunnels::new(TaskTracker::new(), stop.clone(), metrics);
        let place = tunnels.list(&Identity::for_tests("anna"), Permission::View);
        let relay = tokio::spawn(async move { frames(client, upstream, &place).await });
        Ends { browser, catcher, stop, tunnels, relay }
    }

    async fn rest(mut side: DuplexStream) -> Vec<u8> {
        let mut all = Vec::new();
        side.read_to_end(&mut all).await.unwrap();
        all
    }

    #[tokio::test]
    async fn frames_pass_both_ways_and_both_half_closes_pass() {
        let mut ends = tunnel(64);
        ends.browser.write_all(&masked(b"hello")).await.unwrap();
        ends.browser.shutdown().await.unwrap();
        let mut seen = Vec::new();
        ends.catcher.read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, masked(b"hello"));
        ends.catcher.write_all(&text("still here")).await.unwrap();
        ends.catcher.shutdown().await.unwrap();
        assert_eq!(rest(ends.browser).await, text("still here"));
        assert!(matches!(ends.relay.await.unwrap(), End::Closed));
    }

    #[tokio::test]
    async fn the_catchers_quit_is_kept_from_the_page_and_nothing_else_is() {
        let mut ends = tunnel(4096);
        let add = text(r#"{"type":"add","message":{"subject":"{\"type\":\"quit\"}"}}"#);
        let odd = text("not json, quit");
        ends.catcher.write_all(&[add.clone(), text(r#"{ "type" : "quit" }"#), odd.clone()].concat()).await.unwrap();
        drop(ends.catcher);
        assert_eq!(rest(ends.browser).await, [add, odd].concat());
    }

    #[tokio::test]
    async fn what_is_no_frame_ends_both_sides_with_1002() {
        let mut ends = tunnel(4096);
        ends.browser.write_all(&text("not masked")).await.unwrap();
        let mut seen = [0; 4];
        ends.browser.read_exact(&mut seen).await.unwrap();
        assert_eq!(seen, frame::server_close(frame::CLOSE_PROTOCOL_ERROR));
        assert_eq!(rest(ends.catcher).await, frame::client_close(frame::CLOSE_PROTOCOL_ERROR));
        assert!(matches!(ends.relay.await.unwrap(), End::Protocol(Sender::Client, FrameError::Mask)));
    }

    #[tokio::test]
    async fn stopping_tells_the_browser_1001() {
        let ends = tunnel(4096);
        ends.stop.cancel();
        assert_eq!(rest(ends.browser).await, frame::server_close(frame::CLOSE_GOING_AWAY));
        assert!(matches!(ends.relay.await.unwrap(), End::Left(Leave::Stopping)));
    }

    #[tokio::test]
    async fn a_user_who_may_not_have_it_any_more_is_told_1008() {
        let ends = tunnel(4096);
        assert_eq!(ends.tunnels.allow_only(Arc::new(|_, _| false)), 1);
        assert_eq!(rest(ends.browser).await, frame::server_close(frame::CLOSE_POLICY));
        assert_eq!(rest(ends.catcher).await, frame::client_close(frame::CLOSE_GOING_AWAY));
        assert!(matches!(ends.relay.await.unwrap(), End::Left(Leave::Revoked)));
        assert!(ends.tunnels.is_empty());
    }

    #[tokio::test]
    async fn no_frame_of_ours_stands_inside_another() {
        let mut ends = tunnel(4096);
        let long = text(&"x".repeat(2000));
        ends.catcher.write_all(&long[..1500]).await.unwrap();
        let mut seen = vec![0; 1500];
        ends.browser.read_exact(&mut seen).await.unwrap();
        ends.stop.cancel();
        assert_eq!(rest(ends.browser).await, b"");
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_never_follows_a_close_is_left() {
        let mut ends = tunnel(4096);
        ends.catcher.shutdown().await.unwrap();
        assert!(matches!(ends.relay.await.unwrap(), End::Lingered));
    }

    proptest! {
        #[test]
        fn what_comes_out_is_what_went_in_however_it_is_cut(
            messages in prop::collection::vec("[ -~]{0,300}", 1..12), cuts in prop::collection::vec(1usize..700, 1..40),
        ) {
            let whole: Vec<u8> = messages.iter().flat_map(|message| text(message)).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let out = runtime.block_on(async {
                let mut ends = tunnel(256);
                let sent = whole.clone();
                let reader = tokio::spawn(rest(ends.browser));
                let mut at = 0;
                for cut in cuts.iter().cycle() {
                    let next = (at + cut).min(sent.len());
                    ends.catcher.write_all(&sent[at..next]).await.unwrap();
                    tokio::task::yield_now().await;
                    at = next;
                    if at == sent.len() {
                        break;
                    }
                }
                drop(ends.catcher);
                reader.await.unwrap()
            });
            prop_assert_eq!(out, whole);
        }
    }
}
