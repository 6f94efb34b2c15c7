//! Requests on connections that need no task of their own.
//!
//! hyper's client serves a connection in a task, and each request and answer changes tasks and is copied on the way. Here
//! the client's own task writes the request and reads the answer. Only what switches protocols goes by hyper.

mod head;
mod upload;

use std::io;

use http::{HeaderMap, Method, Response};

pub(super) use self::head::{Head, written};
pub(super) use self::upload::upload;
use super::upstream::ANSWER_HEAD;
use crate::body::{Framing, Reply};
use crate::reject::{Reject, UpstreamFault};
use crate::wire::Wire;

/// How much is read at once of what may be all of a small answer, in bytes.
const ROOM: usize = 4 << 10;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection broke, or was closed: it may have been closed before the request came.
    Closed(io::Error),
    /// What came is no answer.
    Malformed(String),
}

impl Failure {
    /// As a refusal.
    pub(super) fn reject(self) -> Reject {
        Reject::Upstream(match self {
            Failure::Closed(error) => UpstreamFault::Closed(error.to_string()),
            Failure::Malformed(why) => UpstreamFault::Malformed(why),
        })
    }
}

/// Sends `head`, which is that of a `method` request, and reads the answer's. Its fields are made in the memory of
/// `fields`, whose own are dropped.
pub(super) async fn ask(
    mut wire: Wire,
    head: &[u8],
    method: &Method,
    fields: &mut HeaderMap,
) -> Result<Response<Reply>, Failure> {
    wire.write(head).await.map_err(Failure::Closed)?;
    // With the heads of interim answers, of which there could be any number.
    let mut seen = 0;
    loop {
        let before = wire.read.len();
        let more = std::future::poll_fn(|cx| wire.poll_read(ROOM, cx)).await.map_err(Failure::Closed)?;
        seen += more;
        if let Some((answer, framing, stays)) = told(&mut wire, before, more, seen, method, fields)? {
            return Ok(answer.map(|()| Reply::new(wire, framing, stays)));
        }
    }
}

/// The head of the answer in what was read, if it is whole: of that, `more` bytes behind the first `before` are new, and
/// `seen` have come in all.
fn told(
    wire: &mut Wire,
    before: usize,
    more: usize,
    seen: usize,
    method: &Method,
    fields: &mut HeaderMap,
) -> Result<Option<(Response<()>, Framing, bool)>, Failure> {
    if more == 0 {
        return Err(Failure::Closed(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed before its answer")));
    }
    if (before == 0 || head::may_end(&wire.read, before))
        && let Some(told) = head::read(&mut wire.read, method, fields)?
    {
        return Ok(Some(told));
    }
    if seen > ANSWER_HEAD {
        return Err(Failure::Malformed("its head is too long".to_owned()));
    }
    Ok(None)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod oracle;
