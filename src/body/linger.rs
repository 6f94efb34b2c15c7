//! What a client is still sending of a request that has been answered: taken in for a while, and dropped.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::Body as _;
use tokio::time::Sleep;

use super::Body;

/// For how long, and for how many bytes.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 16 << 20;

/// The rest of a request's body.
#[derive(Debug)]
pub(super) struct Linger {
    request: Body,
    left: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Linger {
    /// That of `request`.
    pub(super) fn new(request: Body) -> Self {
        Self { request, left: LINGER_BYTES, timer: None }
    }

    /// Ready when it has ended, or was enough.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(part) = Pin::new(&mut self.request).poll_frame(cx) {
            let Some(Ok(frame)) = part else { return Poll::Ready(()) };
            let length = frame.data_ref().map_or(0, bytes::Bytes::len);
            if length > self.left {
                return Poll::Ready(());
            }
            self.left -= length;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        timer.as_mut().poll(cx)
    }
}
