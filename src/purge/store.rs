//! The catcher as a purge sees it: lists, deletes and looks by the catcher's own interface, one request at a time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Request, StatusCode};

use crate::body::Body;
use crate::catcher::{Call, MOST, Mailbox, Message, MessageId};
use crate::forward::inbox::Inbox;
use crate::forward::upstream::Upstream;
use crate::reject::Reject;

/// The longest list that is read, in bytes: two million messages.
const LIST: u64 = 512 << 20;
/// A body may take so many times as long as the beginning of its answer.
const BODY_TIMES: u32 = 10;
/// The largest message that is archived, in bytes.
const SOURCE: u64 = 512 << 20;
/// The longest answer to anything else, in bytes.
const ANSWER: u64 = 4 << 20;

/// Why the catcher did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes no connections.
    Unreachable(String),
    /// It took one, and then there was no answer that could be used.
    NoAnswer(String),
    /// It answered this.
    Status(u16),
    /// Its answer is not understood.
    Unreadable(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unreachable(why) | Fault::NoAnswer(why) => f.write_str(why),
            Fault::Status(status) => write!(f, "it answered {status}"),
            // It may quote what the catcher wrote.
            Fault::Unreadable(why) => write!(f, "its answer is not understood: {why:.200}"),
        }
    }
}

/// A catcher and the way to it.
#[derive(Clone, Debug)]
pub struct Store {
    /// The connections.
    pub upstream: Arc<Upstream>,
    /// What to ask.
    pub mailbox: &'static dyn Mailbox,
    /// Who passes on what the catcher tells of it.
    pub inbox: Arc<Inbox>,
    /// The catcher's own path.
    pub prefix: String,
    /// The worker whose idle connections are used; one that does not exist uses none.
    pub worker: usize,
    /// How long an answer may take.
    pub answer_timeout: Duration,
    /// How long a deletion of everything may take.
    pub clear_timeout: Duration,
}

/// What is known of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// It is there.
    There(Message),
    /// It is there, and the catcher cannot say more.
    Unsayable,
    /// It is not.
    Gone,
}

impl Store {
    /// Every message.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn list(&self) -> Result<Vec<Message>, Fault> {
        let mut all = Vec::new();
        let mut start = 0;
        loop {
            let (status, body) = self.ask(self.mailbox.list(&self.prefix, start), self.answer_timeout, LIST).await?;
            if status != StatusCode::OK {
                return Err(Fault::Status(status.as_u16()));
            }
            let page = self.mailbox.page(start, &body).map_err(Fault::Unreadable)?;
            all.extend(page.messages);
            if all.len() > MOST {
                return Err(Fault::Unreadable("it has too many messages".to_owned()));
            }
            match page.next {
                // A page may have no message that can be used.
                Some(next) if next > start => start = next,
                // Not followed for ever, and not taken for all there is.
                Some(_) => return Err(Fault::Unreadable("its pages lead nowhere".to_owned())),
                None => return Ok(all),
            }
        }
    }

    /// Deletes one message; how long the catcher took.
    ///
    /// # Errors
    /// [`Fault`]: then it may still be there.
    pub async fn delete(&self, id: &MessageId) -> Result<Duration, Fault> {
        let asked = Instant::now();
        let call = self.mailbox.delete(&self.prefix, id);
        let (status, _) = self.ask(call, self.answer_timeout, ANSWER).await?;
        if self.mailbox.is_gone(status.as_u16()) { Ok(asked.elapsed()) } else { Err(Fault::Status(status.as_u16())) }
    }

    /// Deletes everything at once.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn delete_all(&self) -> Result<(), Fault> {
        let (status, _) = self.ask(self.mailbox.delete_all(&self.prefix), self.clear_timeout, ANSWER).await?;
        if status.is_success() { Ok(()) } else { Err(Fault::Status(status.as_u16())) }
    }

    /// Looks at one message, where the catcher has a way to; how long it took.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn look(&self, id: &MessageId) -> Result<(Looked, Duration), Fault> {
        let asked = Instant::now();
        let Some(call) = self.mailbox.one(&self.prefix, id) else { return Ok((Looked::Unsayable, Duration::ZERO)) };
        let (status, body) = self.ask(call, self.answer_timeout, ANSWER).await?;
        let looked = match status.as_u16() {
            200 => self.mailbox.message(&body).map_or(Looked::Unsayable, Looked::There),
            404 => Looked::Gone,
            500 => Looked::Unsayable,
            other => return Err(Fault::Status(other)),
        };
        Ok((looked, asked.elapsed()))
    }

    /// A message as it came; none if it is not there.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn source(&self, id: &MessageId) -> Result<Option<Bytes>, Fault> {
        let (status, body) = self.ask(self.mailbox.source(&self.prefix, id), self.answer_timeout, SOURCE).await?;
        match status.as_u16() {
            200 => match self.mailbox.raw(body) {
                Some(raw) => Ok(Some(raw)),
                None => Err(Fault::Unreadable("it is no message".to_owned())),
            },
            404 => Ok(None),
            other => Err(Fault::Status(other)),
        }
    }

    async fn ask(&self, call: Call, limit: Duration, longest: u64) -> Result<(StatusCode, Bytes), Fault> {
        let mut request = Request::new(call.json.clone().map_or_else(Body::empty, Body::full));
        *request.method_mut() = call.method;
        *request.uri_mut() = call.target.into();
        let fields = request.headers_mut();
        fields.insert(header::HOST, self.upstream.authority().clone());
        if let Some(json) = &call.json {
            fields.insert(header::CONTENT_TYPE, const { HeaderValue::from_static("application/json") });
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from(json.len()));
        }
        if let Some(ours) = self.upstream.credentials() {
            fields.insert(header::AUTHORIZATION, ours.clone());
        }
        let answer = self.upstream.exchange(request, self.worker, limit).await.map_err(fault)?;
        let (parts, mut body) = answer.into_parts();
        let collected = tokio::time::timeout(limit.saturating_mul(BODY_TIMES), body.collected(longest)).await;
        let late = |_| Fault::NoAnswer("its answer did not end in time".to_owned());
        let body = collected.map_err(late)?.map_err(|unread| match unread {
            crate::body::Unread::TooLarge => Fault::Unreadable("it is too long".to_owned()),
            crate::body::Unread::Failed(error) => Fault::NoAnswer(error.to_string()),
        })?;
        Ok((parts.status, body))
    }
}

fn fault(reject: Reject) -> Fault {
    match reject {
        Reject::Upstream(fault) if fault.no_connection().is_some() => Fault::Unreachable(fault.to_string()),
        Reject::Upstream(fault) => Fault::NoAnswer(fault.to_string()),
        other => Fault::NoAnswer(other.reason().to_owned()),
    }
}
