//! Which catcher is at the other end: as the configuration says, or found out by asking.
//!
//! What was found holds until the catcher cannot be reached or breaks off. Where connections were opened since, it is looked
//! at again now and then: another program may have taken the address. Until it is known, nothing is forwarded.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, StatusCode};
use tokio::sync::Mutex;

use super::upstream::Upstream;
use crate::body::Body;
use crate::catcher::{self, Answer, Catcher, PAGE};
use crate::config::model::CatcherKind;
use crate::reject::{Reject, UpstreamFault};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What was not found is looked for again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest answer that is looked at, in bytes; pages have some KiB.
const ANSWER: u64 = 1 << 20;

/// Which catcher it is.
#[derive(Debug)]
pub struct Recognised {
    kind: CatcherKind,
    /// Where the configuration says it: nothing is looked up for that, by no worker.
    fixed: Option<&'static dyn Catcher>,
    found: RwLock<Option<Found>>,
    /// When it was looked for last, in vain. One looks for all.
    looked: Mutex<Option<(Instant, Reject)>>,
}

#[derive(Clone, Copy, Debug)]
struct Found {
    kind: CatcherKind,
    catcher: &'static dyn Catcher,
    /// How many connections had been opened by then.
    opened: u64,
}

impl Recognised {
    /// What the configuration says.
    #[must_use]
    pub fn new(kind: CatcherKind) -> Self {
        Self { kind, fixed: catcher::of(kind), found: RwLock::default(), looked: Mutex::default() }
    }

    /// What the configuration says it is.
    #[must_use]
    pub fn configured(&self) -> CatcherKind {
        self.kind
    }

    /// The catcher, if it is known at this moment.
    #[must_use]
    pub fn now(&self) -> Option<&'static dyn Catcher> {
        self.fixed.or_else(|| self.found().map(|found| found.catcher))
    }

    /// It cannot be reached: what comes back may be another.
    pub fn forget(&self) {
        if self.kind == CatcherKind::Auto && self.found().is_some() {
            self.set(None);
        }
    }

    /// The catcher, asked for if it is not known.
    ///
    /// # Errors
    /// [`Reject::Upstream`] where it cannot be asked, [`Reject::Unrecognised`] where it is none that is known.
    pub async fn find(&self, upstream: &Arc<Upstream>, prefix: &str) -> Result<&'static dyn Catcher, Reject> {
        if let Some(catcher) = self.now() {
            return Ok(catcher);
        }
        let mut looked = self.looked.lock().await;
        if let Some(catcher) = self.now() {
            return Ok(catcher);
        }
        if let Some((at, why)) = looked.as_ref()
            && at.elapsed() < AGAIN
        {
            return Err(why.clone());
        }
        match look(upstream, prefix).await {
            Ok(kind) => {
                *looked = None;
                self.take(kind, upstream).ok_or(Reject::Unrecognised)
            }
            Err(why) => {
                let told = matches!(*looked, Some((_, Reject::Unrecognised)));
                if why == Reject::Unrecognised && !told {
                    tracing::warn!(
                        "what answers at upstream.url is no catcher that is recognised, so nothing is forwarded; \
                         name it in upstream.catcher"
                    );
                }
                *looked = Some((Instant::now(), why.clone()));
                Err(why)
            }
        }
    }

    /// Looks whether it is still the same, where connections were opened since it was found; and for it where it is not
    /// known. Called now and then.
    pub async fn look_again(&self, upstream: &Arc<Upstream>, prefix: &str) {
        if self.kind != CatcherKind::Auto {
            return;
        }
        let Some(found) = self.found() else {
            return drop(self.find(upstream, prefix).await);
        };
        if upstream.opened() == found.opened {
            return;
        }
        let _looking = self.looked.lock().await;
        match look(upstream, prefix).await {
            Ok(kind) if kind == found.kind => self.set(Some(Found { opened: upstream.opened(), ..found })),
            Ok(kind) => _ = self.take(kind, upstream),
            // Busy, or failing for a moment.
            Err(Reject::Upstream(UpstreamFault::AnswerTimeout(_) | UpstreamFault::ConnectTimeout(_))) => {}
            Err(_) => self.forget(),
        }
    }

    fn take(&self, kind: CatcherKind, upstream: &Upstream) -> Option<&'static dyn Catcher> {
        let catcher = catcher::of(kind)?;
        tracing::info!(catcher = %kind, "the catcher is recognised");
        self.set(Some(Found { kind, catcher, opened: upstream.opened() }));
        Some(catcher)
    }

    fn found(&self) -> Option<Found> {
        *self.found.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, found: Option<Found>) {
        *self.found.write().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

/// Asks what it is, with two GETs that change nothing.
///
/// # Errors
/// As [`Recognised::find`].
pub async fn look(upstream: &Arc<Upstream>, prefix: &str) -> Result<CatcherKind, Reject> {
    let (status, body) = ask(upstream, prefix, PAGE).await?;
    let page = Answer { status: status.as_u16(), body: &body };
    let suspect = catcher::suspect(page).ok_or(Reject::Unrecognised)?;
    let target = catcher::proof(suspect);
    let (status, body) = ask(upstream, prefix, target).await?;
    let proof = Answer { status: status.as_u16(), body: &body };
    let answers = |asked: &str| Some(if asked == PAGE { page } else { proof });
    catcher::recognise(answers).ok_or(Reject::Unrecognised)
}

async fn ask(upstream: &Arc<Upstream>, prefix: &str, target: &str) -> Result<(StatusCode, Bytes), Reject> {
    let mut request = Request::new(Body::empty());
    let target = PathAndQuery::from_maybe_shared(Bytes::from(format!("{prefix}{target}")));
    *request.uri_mut() = target.map_err(|_| Reject::Internal("a target of our own is none"))?.into();
    let fields = request.headers_mut();
    fields.insert(header::HOST, upstream.authority().clone());
    fields.insert(header::ACCEPT, const { HeaderValue::from_static("text/html, application/json;q=0.9") });
    if let Some(ours) = upstream.credentials() {
        fields.insert(header::AUTHORIZATION, ours.clone());
    }
    // On connections of its own: one that lies idle may be to the program that was there before.
    let answer = upstream.exchange(request, usize::MAX, PATIENCE).await?;
    let (parts, mut body) = answer.into_parts();
    // What is longer is no answer that is known.
    let body = tokio::time::timeout(PATIENCE, body.collected(ANSWER)).await;
    Ok((parts.status, body.ok().and_then(Result::ok).unwrap_or_default()))
}
