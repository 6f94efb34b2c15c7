//! Requests with a body.

use std::future::poll_fn;
use std::task::{Context, Poll};

use http::{HeaderMap, Method, Response};

use super::{Failure, ROOM, told};
use crate::body::{BodyError, Reply, Sending, Unsent};
use crate::reject::Reject;
use crate::wire::Wire;

/// Sends a `method` request and reads the head of the answer, which may come before all is sent. The answer's fields are
/// made in the memory of `fields`, whose own are dropped. The connection is not used again.
///
/// # Errors
/// [`Reject::Upstream`], or what was wrong with the request's own body.
pub(in crate::forward) async fn upload(
    mut wire: Wire,
    sending: Sending,
    method: &Method,
    fields: &mut HeaderMap,
) -> Result<Response<Reply>, Reject> {
    let mut sending = Some(Box::new(sending));
    let mut broke = None;
    let mut seen = 0;
    loop {
        let before = wire.read.len();
        let more = poll_fn(|cx| {
            if let Poll::Ready(Err(unsent)) = poll_send(&mut sending, &mut wire, cx) {
                match unsent {
                    Unsent::Body(error) => return Poll::Ready(Err(at_fault(&error))),
                    // It may have answered before it closed.
                    Unsent::Wire(error) => broke = Some(error),
                }
            }
            wire.poll_read(ROOM, cx).map_err(|error| Failure::Closed(broke.take().unwrap_or(error)).reject())
        });
        let more = more.await?;
        seen += more;
        match told(&mut wire, before, more, seen, method, fields) {
            Ok(None) => {}
            Ok(Some((answer, framing, _))) => {
                let reply = Reply::new(wire, framing, false);
                return Ok(answer.map(|()| match sending {
                    Some(rest) => reply.before(rest),
                    None => reply,
                }));
            }
            Err(failure) => return Err(failure.reject()),
        }
    }
}

/// Goes on with what is still to be sent, if there is anything.
fn poll_send(sending: &mut Option<Box<Sending>>, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
    let polled = sending.as_mut().map_or(Poll::Ready(Ok(())), |sending| sending.poll(wire, cx));
    if polled.is_ready() {
        *sending = None;
    }
    polled
}

/// The refusal of a body that broke off.
fn at_fault(error: &BodyError) -> Reject {
    match error {
        BodyError::Stalled(_) => Reject::BodyTimeout,
        BodyError::Broken(_) | BodyError::Short(_) => Reject::BodyBroken,
    }
}
