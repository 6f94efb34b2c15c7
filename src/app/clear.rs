//! A user's own Clear. With MailCatcher, deleting everything in one call takes time by the square of how much there is, and
//! nobody else is served meanwhile: 20,000 messages are 17 seconds of silence. So much is deleted one by one, and the answer
//! comes when all that was there is gone. What arrives meanwhile stays.

use std::time::{Duration, Instant};

use http::header::HeaderValue;
use http::{Response, StatusCode, header};
use tokio_util::sync::CancellationToken;

use super::{App, Live};
use crate::access::Permit;
use crate::body::Body;
use crate::catcher::{Operation, Payload};
use crate::forward::{Answered, Forward};
use crate::purge::retention::Rule;
use crate::purge::run::{self, Failure, Job, SMALL};
use crate::purge::store::Fault;
use crate::reject::{Reject, UpstreamFault};

impl App {
    /// Clears in small steps what is too much for one; none if the catcher's own call will do.
    pub(super) async fn clear_slowly(
        &self,
        live: &Live,
        forward: &Forward<'_>,
        permit: &Permit,
        body: &mut Body,
    ) -> Option<Result<Answered, Reject>> {
        if permit.action().operation != Operation::Clear {
            return None;
        }
        let store = live.store(forward.worker, &self.timeouts).filter(|store| !store.mailbox.deletes_all_quickly())?;
        // Nothing else clears slowly; what a body says has been decided by now.
        if permit.action().payload != Payload::None {
            return None;
        }
        if let Err(reject) = forward.request_body(body, &Payload::None).await {
            return Some(Err(reject));
        }
        let asked = Instant::now();
        // Whatever is wrong with the list is not what was asked about: the catcher's own call then says what it says.
        let list = tokio::time::timeout(LIST, store.list()).await;
        let count = list.ok()?.ok().filter(|messages| messages.len() > SMALL)?.len();
        tracing::info!(count, user = %permit.identity(), "clearing one by one");
        let limit = self.timeouts.upstream_clear;
        // It goes on when the client leaves: what he asked for was everything, not half of it.
        let stop = CancellationToken::new();
        let ends = stop.clone();
        let clearing = self.tunnels.tracker().spawn(async move {
            let job = Job { rule: Rule::EVERYTHING, archive: None, stop: &ends, known: None };
            let mut silent = |_| {};
            let (tally, result) = tokio::select! {
                done = run::attempt(&store, &job, &mut silent) => done,
                () = tokio::time::sleep(limit + GRACE) => (run::Tally::default(), Err(Failure::Stopped)),
            };
            tracing::info!(deleted = tally.deleted, arrived = tally.arrived, "cleared one by one");
            result
        });
        let result = match tokio::time::timeout(limit, clearing).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => return Some(Err(Reject::Internal("clearing broke off"))),
            Err(_elapsed) => {
                stop.cancel();
                return Some(Err(Reject::Upstream(UpstreamFault::AnswerTimeout(limit))));
            }
        };
        Some(match result {
            Ok(()) => Ok(Answered { response: cleared(), is_stream: false, took: asked.elapsed() }),
            Err(failure) => Err(Reject::Upstream(fault(failure))),
        })
    }
}

/// How long the list may take that says how much there is: 40,000 messages take MailCatcher 1.2 s.
const LIST: Duration = Duration::from_secs(10);

/// How long a clearing may go on beyond the time that its client waits.
const GRACE: Duration = Duration::from_secs(5);

/// As MailCatcher answers it.
fn cleared() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    response
}

fn fault(failure: Failure) -> UpstreamFault {
    match failure {
        Failure::Unreachable(why) => UpstreamFault::Unreachable(why),
        Failure::List(Fault::NoAnswer(why)) | Failure::Delete(Fault::NoAnswer(why)) => UpstreamFault::Closed(why),
        other => UpstreamFault::Malformed(other.to_string()),
    }
}
