//! The catcher's own socket, followed by the gate itself: what happens at the catcher while mail is purged.
//!
//! It is a WebSocket client and no more: handshake, text messages, answers to pings.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, StatusCode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::answer::fault;
use super::frame::{self, Head, Opcode, Order, Sender};
use super::upgrade::{accept_value, ready, verify};
use super::upstream::{Connection, Upstream};
use crate::body::Body;
use crate::catcher::Operation;
use crate::reject::{Reject, UpstreamFault};

/// The longest event that is read, in bytes. A subject has what a mail's header can hold.
const LONGEST: u64 = 1 << 20;

/// After so long without a word the catcher is asked whether it is there: MailCatcher cuts a socket on which it sent
/// nothing for 30 s.
const QUIET: Duration = Duration::from_secs(15);

/// A followed socket.
pub struct Watch {
    io: TokioIo<Upgraded>,
    input: BytesMut,
    /// The fragments of a text message so far.
    message: BytesMut,
    order: Order,
    _counted: Connection,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    /// Opens the socket at `target`, for at most `limit`.
    ///
    /// # Errors
    /// [`Reject::Upstream`]: also when the catcher answers anything but 101.
    pub async fn open(upstream: &Arc<Upstream>, target: PathAndQuery, limit: Duration) -> Result<Self, Reject> {
        let malformed = |why: &str| Reject::Upstream(UpstreamFault::Malformed(why.to_owned()));
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(|_| malformed("there is no randomness for a key"))?;
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = target.into();
        let fields = request.headers_mut();
        fields.insert(header::HOST, upstream.authority().clone());
        if let Some(ours) = upstream.credentials() {
            fields.insert(header::AUTHORIZATION, ours.clone());
        }
        fields.insert(header::SEC_WEBSOCKET_VERSION, const { HeaderValue::from_static("13") });
        let key = HeaderValue::try_from(STANDARD.encode(key)).map_err(|_| malformed("the key is none"))?;
        let expected = accept_value(&key);
        fields.insert(header::SEC_WEBSOCKET_KEY, key);
        let request = ready(request, Operation::Socket);
        let exchange = async {
            let mut connection = upstream.connect().await?;
            let mut answer = connection.send(request).await.map_err(|error| fault(&error))?;
            if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                return Err(malformed("it does not open its socket"));
            }
            verify(answer.headers(), Some(&expected), Operation::Socket)?;
            let upgraded = hyper::upgrade::on(&mut answer).await.map_err(|error| fault(&error))?;
            Ok((connection, upgraded))
        };
        let (connection, upgraded) = match tokio::time::timeout(limit, exchange).await {
            Ok(done) => done?,
            Err(_elapsed) => return Err(Reject::Upstream(UpstreamFault::AnswerTimeout(limit))),
        };
        upstream.make_room();
        Ok(Self {
            io: TokioIo::new(upgraded),
            input: BytesMut::new(),
            message: BytesMut::new(),
            order: Order::default(),
            _counted: connection,
        })
    }

    /// The next text message; none when the catcher has closed it.
    ///
    /// # Errors
    /// When it broke, or what came is no frame.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let broken = |why: frame::FrameError| io::Error::new(io::ErrorKind::InvalidData, why);
            while let Some(head) = Head::parse(&self.input, Sender::Server).map_err(broken)? {
                if head.payload + self.message.len() as u64 > LONGEST {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "an event is too long"));
                }
                let whole = head.head + usize::try_from(head.payload).unwrap_or(usize::MAX);
                if self.input.len() < whole {
                    break;
                }
                self.order.next(&head).map_err(broken)?;
                self.input.advance(head.head);
                let payload = self.input.split_to(whole - head.head);
                match head.opcode {
                    Opcode::Close => return Ok(None),
                    Opcode::Ping => self.io.write_all(&frame::client_pong(&payload)).await?,
                    Opcode::Pong => {}
                    Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                        self.message.unsplit(payload);
                        if head.fin {
                            return Ok(Some(self.message.split().freeze()));
                        }
                    }
                }
            }
            match tokio::time::timeout(QUIET, self.io.read_buf(&mut self.input)).await {
                Ok(read) => {
                    if read? == 0 {
                        return Ok(None);
                    }
                }
                Err(_elapsed) => self.io.write_all(&frame::client_ping()).await?,
            }
        }
    }
}
