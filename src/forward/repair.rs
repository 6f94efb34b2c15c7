//! A list that fails.
//!
//! One mail whose subject is not text makes MailCatcher's list fail for everybody, and the page's look at that mail too;
//! its source can be had, and so can every other mail. So when the list fails the messages are asked for one by one: one
//! prober at a time, for a few seconds at most, and what it finds is remembered in the ledger. The list that is
//! answered has an entry for each bad message, made of its source and marked; so has any other message whose description is
//! too long or cannot be used, for one must not take the list from everybody. Where that takes too long, the answer is a
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
use crate::body::{Body, Unread};
use crate::reject::{Reject, UpstreamFault};

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(3);

/// How long the description of one message may take.
const DESCRIBING: Duration = Duration::from_secs(1);

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
    /// A message of which the catcher does not say what a list would.
    Unsaid {
        status: StatusCode,
        why: String,
    },
}

impl Found {
    fn unsaid(why: &str) -> Self {
        Found::Unsaid { status: StatusCode::OK, why: why.to_owned() }
    }
}

/// What the source of a message says.
enum Source {
    /// Its entry, and its media type.
    Entry(Entry, String),
    /// There is no such message.
    Nothing,
    /// The catcher answers with another status.
    Unsaid(StatusCode),
}

impl Repair {
    /// The list, where the catcher's own failed; none if no message is to blame.
    ///
    /// # Errors
    /// [`Reject::BrokenList`] when it takes too long, is too much or a message has no source, [`Reject::Upstream`] when the catcher fails in
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
                    Ok(entry) => entry?.map(|entry| entry.clipped(&mut look.room)),
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
        let Source::Entry(entry, kind) = asking.source(id).await? else { return Ok(None) };
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
    /// What the list would say of message `id`; none if there is no such message.
    ///
    /// One message must not take the list from everybody: whatever is wrong with its description, its source will do.
    async fn about(&self, id: u64) -> Result<Option<Entry>, Reject> {
        let said = tokio::time::timeout(DESCRIBING, self.described(id)).await;
        let (status, why) = match said.unwrap_or_else(|_elapsed| Ok(Found::unsaid("it takes too long")))? {
            Found::Message(entry) => return Ok(Some(entry)),
            Found::Nothing => return Ok(None),
            Found::Unsaid { status, why } => (status, why),
        };
        tracing::warn!(id, why, "the catcher cannot list a message; its entry is made of its source");
        let bad = status == StatusCode::INTERNAL_SERVER_ERROR;
        match self.source(id).await {
            Ok(Source::Entry(entry, _)) => Ok(Some(Entry { bad, ..entry })),
            Ok(Source::Nothing) => Ok(None),
            // Then it fails whatever it is asked, and not because of a message.
            Ok(Source::Unsaid(other)) if other == status && bad => Ok(None),
            Ok(Source::Unsaid(other)) if other == status => Err(Reject::Upstream(UpstreamFault::Malformed(format!(
                "it answers {other} when it is asked for a message"
            )))),
            Ok(Source::Unsaid(_)) => Err(Reject::BrokenList(Some(id))),
            Err(Reject::Upstream(fault)) if fault.no_connection().is_none() => Err(Reject::BrokenList(Some(id))),
            Err(other) => Err(other),
        }
    }

    /// What the catcher says of message `id`.
    async fn described(&self, id: u64) -> Result<Found, Reject> {
        let unsaid = |why: &str| Ok(Found::unsaid(why));
        let answer = match self.ask(&Method::GET, id, "json").await {
            Err(Reject::Upstream(UpstreamFault::Malformed(why))) => return unsaid(&why),
            answer => answer?,
        };
        let (status, mut body) = (answer.status(), answer.into_body());
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                // A short text, and its connection is of further use.
                _ = body.drained(DESCRIPTION).await;
                return Ok(Found::Nothing);
            }
            status => {
                _ = body.drained(DESCRIPTION).await;
                return Ok(Found::Unsaid { status, why: format!("it answers {status}") });
            }
        }
        match body.collected(DESCRIPTION).await {
            Err(Unread::TooLarge) => unsaid("its description is too long"),
            Err(Unread::Failed(error)) => unsaid(&error.to_string()),
            Ok(text) => match serde_json::from_slice::<Entry>(&text) {
                Ok(entry) if entry.id == id => Ok(Found::Message(entry)),
                Ok(_) => unsaid("its description is another's"),
                Err(error) => unsaid(&error.to_string()),
            },
        }
    }

    /// The entry of message `id` and its media type, from the beginning of its source.
    async fn source(&self, id: u64) -> Result<Source, Reject> {
        let answer = self.ask(&Method::GET, id, "source").await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(Source::Nothing),
            other => return Ok(Source::Unsaid(other)),
        }
        let mut body = answer.into_body();
        let size = body.size_hint().exact();
        let mut seen = BytesMut::new();
        // The rest of a long one is of no use, and its connection is closed over it. Of one that breaks off there is what
        // came.
        while seen.len() < SOURCE_HEADER && !has_empty_line(&seen) {
            match std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await {
                Some(Ok(frame)) => seen.extend_from_slice(&frame.into_data().unwrap_or_default()),
                None | Some(Err(_)) => break,
            }
        }
        let header = Header::parse(&seen);
        let entry = header.entry(id, size.unwrap_or(seen.len() as u64), Timestamp::now());
        Ok(Source::Entry(entry, header.media_type()))
    }

    async fn ask(&self, method: &Method, id: u64, format: &str) -> Result<Response<Body>, Reject> {
        let mut request = Request::new(Body::empty());
        request.method_mut().clone_from(method);
        *request.uri_mut() = format!("{}/{id}.{format}", self.list)
            .parse()
            .map_err(|_| Reject::Internal("a message's address is not one"))?;
        *request.headers_mut() = self.upstream.own_fields();
        self.upstream.exchange(request, self.worker, self.limit).await
    }
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
