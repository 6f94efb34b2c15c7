//! The real one's flags, and a switch for each of its quirks and times. The defaults are what was measured.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Where HTTP listens.
    pub(crate) http: SocketAddr,
    /// Where SMTP listens.
    pub(crate) smtp: SocketAddr,

    // --- its flags
    /// `--http-path`: everything lives below it, anything else is redirected to it.
    pub(crate) http_path: String,
    /// `--no-quit`.
    pub(crate) no_quit: bool,
    /// `--messages-limit`.
    pub(crate) messages_limit: Option<usize>,

    // --- its times and amounts
    /// A connection on which nothing moved for this long is closed.
    pub(crate) idle: Duration,
    /// Each time this has passed, a WebSocket on which nothing was sent since the last time is cut, with no close
    /// frame. So it takes once this long when nothing ever was sent, twice when one frame was.
    pub(crate) socket_idle: Duration,
    /// Whether text and pongs of the client count as well, which make the server send nothing. The real one was seen to
    /// count them and not to; a proxy must not rely on it.
    pub(crate) unanswered_counts: bool,
    /// An answer whose reader takes nothing for this long is cut.
    pub(crate) stalled_reader: Duration,
    /// From one connection more on, the answer says `keep-alive` and the server closes all the same.
    pub(crate) persistent_limit: usize,
    /// `DELETE /messages` blocks the one thread for this long, times the square of the number of messages.
    pub(crate) clear_cost: Duration,
    /// `DELETE /messages/ID` blocks it for this long. The real one was measured at a millisecond; here it is none, or tests
    /// that delete thousands would do little else.
    pub(crate) delete_cost: Duration,

    // --- its quirks: true is the real one
    /// `Transfer-Encoding` is ignored: no body, and what comes later is the next request.
    pub(crate) chunked_ignored: bool,
    /// What the socket tells.
    pub(crate) socket_tells: Tells,
    /// After a WebSocket handshake on another route than `/messages`, the connection is deaf once it has answered.
    pub(crate) upgrade_elsewhere_deafens: bool,
    /// What comes in the same packet as a request is dropped: a second request, or the first WebSocket frames.
    pub(crate) same_packet_dropped: bool,
    /// Of several `Connection` lines (or any other) only the last counts.
    pub(crate) last_line_wins: bool,
    /// 204, 206, 304, 302 and some 4xx have no `Content-Length`, so they close the connection.
    pub(crate) unmeasured_closes: bool,
    /// JSON is refused to a foreign `Referer` that comes without `Origin` and `X-Requested-With`.
    pub(crate) referer_checked: bool,
    /// `//messages`, `/x/../messages`, `/%6dessages` and the like reach the route.
    pub(crate) paths_normalised: bool,
    /// One subject that is not UTF-8 makes the list fail for everybody.
    pub(crate) bad_subject_breaks_list: bool,
    /// An id is one more than the highest that is there, so ids come back.
    pub(crate) ids_reused: bool,
    /// Whether the answer to the request that made it quit still gets out. In the real one it sometimes does not.
    pub(crate) quit_answer: QuitAnswer,
    /// Whether WebSockets are told `{"type":"quit"}`. The real one means to, and its sockets die first.
    pub(crate) quit_frame: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuitAnswer {
    Sent,
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tells {
    All,
    /// As MailCatcher 0.7: what comes, as the message alone, and nothing of what goes.
    Arrivals,
    Nothing,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            smtp: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            http_path: "/".to_owned(),
            no_quit: false,
            messages_limit: None,
            idle: Duration::from_secs(30),
            socket_idle: Duration::from_millis(29_700),
            unanswered_counts: false,
            stalled_reader: Duration::from_secs(30),
            persistent_limit: 100,
            clear_cost: Duration::from_nanos(41), // 40 000 messages took 65.9 s, 5 000 took 0.78 s
            delete_cost: Duration::ZERO,
            chunked_ignored: true,
            socket_tells: Tells::All,
            upgrade_elsewhere_deafens: true,
            same_packet_dropped: true,
            last_line_wins: true,
            unmeasured_closes: true,
            referer_checked: true,
            paths_normalised: true,
            bad_subject_breaks_list: true,
            ids_reused: true,
            quit_answer: QuitAnswer::Sent,
            quit_frame: false,
        }
    }
}
