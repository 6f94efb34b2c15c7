//! A request with a body on its way to the catcher: its head and the body's first part in one write if both are there,
//! then part by part as the client sends them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http_body::Body as _;

use super::{Body, BodyError};
use crate::wire::Wire;

/// What of a request is still to be sent.
#[derive(Debug)]
pub struct Sending {
    head: Vec<u8>,
    /// How much of the head is sent, in bytes.
    written: usize,
    /// The part of the body that is being sent.
    part: Bytes,
    body: Body,
    /// How much of the body is to come behind that part, in bytes.
    left: u64,
}

/// Why a request was not sent to its end.
#[derive(Debug)]
pub enum Unsent {
    /// Its body broke off.
    Body(BodyError),
    /// The connection broke. An answer may have come on it before.
    Wire(io::Error),
}

impl Sending {
    /// A request with this head, and a body of `length` bytes as the head says.
    #[must_use]
    pub fn new(head: Vec<u8>, body: Body, length: u64) -> Self {
        Self { head, written: 0, part: Bytes::new(), body, left: length }
    }

    /// Sends what can be sent on `wire`; ready when that is all. Of the body nothing is taken before what was taken is sent.
    ///
    /// # Errors
    /// [`Unsent`]; not to be called again then.
    pub fn poll(&mut self, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        loop {
            let is_head_sent = self.written == self.head.len();
            if self.part.is_empty() && self.left > 0 {
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => self.take(frame.into_data().unwrap_or_default())?,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Unsent::Body(error))),
                    Poll::Ready(None) => return Poll::Ready(Err(Unsent::Body(BodyError::Short(self.left)))),
                    Poll::Pending if is_head_sent => return Poll::Pending,
                    // Who waits to be asked for the body is asked by whoever reads the head.
                    Poll::Pending => {}
                }
            }
            if !is_head_sent || !self.part.is_empty() {
                let head = self.head.get(self.written..).unwrap_or_default();
                let sent = ready!(wire.poll_write(head, &self.part, cx)).map_err(Unsent::Wire)?;
                let of_head = sent.min(head.len());
                self.written += of_head;
                self.part.advance((sent - of_head).min(self.part.len()));
            } else if self.left == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// The next part. No more than was said: what came behind would be the next request.
    fn take(&mut self, part: Bytes) -> Result<(), Unsent> {
        match self.left.checked_sub(part.len() as u64) {
            Some(left) => {
                (self.part, self.left) = (part, left);
                Ok(())
            }
            None => Err(Unsent::Body(BodyError::Broken("it is longer than its length".into()))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// What arrives of a request with this body that says `length`, and whether all was sent.
    async fn sent(body: &'static [u8], length: u64) -> (Vec<u8>, Result<(), Unsent>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut wire = Wire::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let (mut far, _) = listener.accept().await.unwrap();
        let mut sending = Sending::new(b"head ".to_vec(), Body::full(Bytes::from_static(body)), length);
        let result = tokio::spawn(async move { poll_fn(|cx| sending.poll(&mut wire, cx)).await });
        let mut arrived = Vec::new();
        far.read_to_end(&mut arrived).await.unwrap();
        (arrived, result.await.unwrap())
    }

    #[tokio::test]
    async fn head_and_body_arrive_in_their_order() {
        let long: &[u8] = vec![b'x'; 4 << 20].leak();
        for body in [&b"body"[..], b"", long] {
            let (arrived, result) = sent(body, body.len() as u64).await;
            assert!(result.is_ok() && arrived == [b"head ", body].concat());
        }
    }

    #[tokio::test]
    async fn a_body_that_is_not_as_long_as_its_head_says_is_broken_off() {
        let (arrived, result) = sent(b"body", 5).await;
        assert!(matches!(result, Err(Unsent::Body(BodyError::Short(1)))) && arrived == b"head body");
        let (arrived, result) = sent(b"body", 3).await;
        assert!(matches!(result, Err(Unsent::Body(BodyError::Broken(_)))) && arrived.is_empty());
    }
}
