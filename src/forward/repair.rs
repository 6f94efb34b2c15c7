//! A list that fails.
//!
//! One mail whose subject is not text makes MailCatcher's list fail for everybody, and the page's look at that mail too;
//! its source can be had, and so can every other mail. So when the list fails the messages are asked for one by one: one
//! prober at a time, for a few seconds at most, and what it finds is remembered in the ledger. The list that is
//! answered has an entry for each bad message, made of its source and marked. Where that takes too long, the answer is a
//! page that names the message and says how to be rid of it.

pub(crate) mod entry;
pub(crate) mod ledger;
mod source;
mod words;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use jiff::Timestamp;
use serde::Serialize;

use self::entry::Entry;
use self::ledger::{Plan, Step};
use self::source::Header;
use super::inbox::Inbox;
use super::upstream::Upstream;
use crate::body::{Body, BodyError, Unread};
use crate::reject::{Reject, UpstreamFault};

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(3);

/// The longest description of a message that is read, in bytes.
const DESCRIPTION: u64 = 1 << 20;

/// How much of a source is searched for the end of its header, in bytes.
const SOURCE_HEADER: usize = 256 << 10;

/// Mends what fails, one at a time.
#[derive(Debug, Default)]
pub struct Repair {
    prober: tokio::sync::Mutex<()>,
}

/// Where and how the messages are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    pub(super) upstream: &'a Arc<Upstream>,
    pub(super) worker: usize,
    /// How long the catcher may take for each.
    pub(super) limit: Duration,
    /// The path of the list, with the catcher's prefix.
    pub(super) list: &'a str,
}

/// What is behind an id.
enum Found {
    Message(Entry),
    Nothing,
}

impl Repair {
    /// The list, where the catcher's own failed; none if no message is to blame.
    ///
    /// # Errors
    /// [`Reject::BrokenList`] when it takes too long or is too much, [`Reject::Upstream`] when the catcher fails in
    /// another way.
    pub(super) async fn list(&self, inbox: &Inbox, asking: Asking<'_>) -> Result<Option<Bytes>, Reject> {
        let _only = self.prober.lock().await;
        let broken = || Reject::BrokenList(inbox.ledger().bad().next());
        let until = Instant::now() + LOOK;
        'anew: loop {
            let plan = inbox.ledger().plan(Instant::now());
            let Plan::Look(mut look) = plan else { return Err(broken()) };
            loop {
                let id = match look.step() {
                    Step::Ask(id) => id,
                    Step::Done => break,
                    Step::OutOfBounds => return Err(broken()),
                };
                let about = tokio::time::timeout_at(until.into(), asking.about(id)).await;
                let entry = match about {
                    Err(_elapsed) => return Err(broken()),
                    Ok(found) => match found? {
                        Found::Message(entry) => Some(entry),
                        Found::Nothing => None,
                    },
                };
                if !inbox.ledger().tell(&mut look, id, entry) {
                    // All was cleared meanwhile, so ids begin anew.
                    continue 'anew;
                }
            }
            let mut ledger = inbox.ledger();
            ledger.done(&look);
            let is_bad = ledger.bad().next().is_some();
            return Ok(is_bad.then(|| Entry::list(ledger.entries()).into()));
        }
    }

    /// The description of message `id`, where the catcher's own failed; none if the message is gone.
    ///
    /// # Errors
    /// [`Reject::Upstream`].
    pub(super) async fn message(&self, id: u64, asking: Asking<'_>) -> Result<Option<Bytes>, Reject> {
        #[derive(Serialize)]
        struct Described {
            #[serde(flatten)]
            entry: Entry,
            #[serde(rename = "type")]
            kind: String,
            formats: Vec<&'static str>,
            attachments: [(); 0],
        }
        let Some((entry, kind)) = asking.source(id).await? else { return Ok(None) };
        let mut formats = vec!["source"];
        for format in ["html", "plain"] {
            if asking.ask(&Method::HEAD, id, format).await?.status() == StatusCode::OK {
                formats.push(format);
            }
        }
        let described = Described { entry, kind, formats, attachments: [] };
        Ok(serde_json::to_vec(&described).ok().map(Bytes::from))
    }
}

impl Asking<'_> {
    /// What the list would say of message `id`.
    async fn about(&self, id: u64) -> Result<Found, Reject> {
        let answer = self.ask(&Method::GET, id, "json").await?;
        let (status, mut body) = (answer.status(), answer.into_body());
        let text = body.collected(DESCRIPTION).await.map_err(|unread| self.unread(&unread))?;
        match status {
            StatusCode::OK => serde_json::from_slice(&text)
                .map(|entry: Entry| Found::Message(entry.clipped()))
                .map_err(|error| malformed(format!("its description of message {id} is not usable: {error}"))),
            StatusCode::NOT_FOUND => Ok(Found::Nothing),
            StatusCode::INTERNAL_SERVER_ERROR => {
                tracing::warn!(id, "the catcher cannot list a message; its entry is made of its source");
                Ok(self.source(id).await?.map_or(Found::Nothing, |(entry, _)| Found::Message(entry)))
            }
            other => Err(malformed(format!("it answered {other} when it was asked for message {id}"))),
        }
    }

    /// The entry of message `id` and its media type, from its source; none if there is no source.
    async fn source(&self, id: u64) -> Result<Option<(Entry, String)>, Reject> {
        let answer = self.ask(&Method::GET, id, "source").await?;
        if answer.status() != StatusCode::OK {
            return Ok(None);
        }
        let mut body = answer.into_body();
        let size = body.size_hint().exact();
        let mut seen = BytesMut::new();
        // The rest of a long one is of no use, and its connection is closed over it.
        while seen.len() < SOURCE_HEADER && !has_empty_line(&seen) {
            match std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await {
                None => break,
                Some(Ok(frame)) => seen.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(self.unread(&Unread::Failed(error))),
            }
        }
        let header = Header::parse(&seen);
        let entry = header.entry(id, size.unwrap_or(seen.len() as u64), Timestamp::now());
        Ok(Some((entry, header.media_type())))
    }

    async fn ask(&self, method: &Method, id: u64, format: &str) -> Result<Response<Body>, Reject> {
        let mut request = Request::new(Body::empty());
        request.method_mut().clone_from(method);
        *request.uri_mut() = format!("{}/{id}.{format}", self.list)
            .parse()
            .map_err(|_| Reject::Internal("a message's address is not one"))?;
        let fields = request.headers_mut();
        fields.insert(header::HOST, self.upstream.authority().clone());
        if let Some(ours) = self.upstream.credentials() {
            fields.insert(header::AUTHORIZATION, ours.clone());
        }
        self.upstream.exchange(request, self.worker, self.limit).await
    }

    fn unread(&self, unread: &Unread) -> Reject {
        Reject::Upstream(match unread {
            Unread::TooLarge => UpstreamFault::Malformed("its answer is too long".to_owned()),
            Unread::Failed(BodyError::Stalled(limit)) => UpstreamFault::AnswerTimeout(*limit),
            Unread::Failed(error) => UpstreamFault::Closed(error.to_string()),
        })
    }
}

fn malformed(why: String) -> Reject {
    Reject::Upstream(UpstreamFault::Malformed(why))
}

/// Whether the header has ended.
fn has_empty_line(source: &[u8]) -> bool {
    source.windows(2).any(|two| two == b"\n\n") || source.windows(3).any(|three| three == b"\n\r\n")
}

/// An answer with that JSON in it, in the place of the catcher's.
pub(super) fn answer(text: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::full(text));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, const { HeaderValue::from_static("application/json") });
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    response
}
