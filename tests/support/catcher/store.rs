//! The mail that is there, with the habits of the real one's SQLite tables: ids come back, a limit keeps the oldest of
//! one second, and the list is ordered by time first.

use std::collections::BTreeMap;

use serde::Serialize;

use super::mail::Mail;
use super::mime::{self, Part, Subject};
use super::options::Options;

#[derive(Default)]
pub(crate) struct Store {
    messages: BTreeMap<i64, Message>,
    highest_ever: i64,
}

pub(crate) struct Message {
    pub(crate) id: i64,
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    pub(crate) subject: Subject,
    pub(crate) source: Vec<u8>,
    pub(crate) kind: String,
    /// Seconds since 1970.
    pub(crate) created: i64,
    pub(crate) parts: Vec<Part>,
}

/// A message as the JSON routes and the `add` frame say it, fields in the real one's order.
#[derive(Serialize)]
struct Shown<'a> {
    id: i64,
    sender: &'a str,
    recipients: &'a [String],
    subject: Option<&'a str>,
    size: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    formats: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<Vec<Attachment>>,
}

#[derive(Serialize)]
struct Attachment {
    cid: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    filename: Option<String>,
    size: usize,
}

/// A message cannot be said in JSON because its subject is not UTF-8.
pub(crate) struct Unsayable;

/// What WebSockets are told.
pub(crate) enum Event {
    /// The message as JSON; `null` when a limit took it before it could be told.
    Add(String),
    Remove(i64),
    Clear,
    Quit,
}

impl Event {
    pub(crate) fn to_json(&self) -> String {
        match self {
            Event::Add(message) => format!(r#"{{"type":"add","message":{message}}}"#),
            Event::Remove(id) => format!(r#"{{"type":"remove","id":{id}}}"#),
            Event::Clear => r#"{"type":"clear"}"#.to_owned(),
            Event::Quit => r#"{"type":"quit"}"#.to_owned(),
        }
    }
}

impl Store {
    /// Adds a mail and keeps to the limit. Returns the id and what to tell the WebSockets.
    pub(crate) fn add(&mut self, mail: Mail, options: &Options) -> (i64, Vec<Event>) {
        let last =
            if options.ids_reused { self.messages.keys().next_back().copied().unwrap_or(0) } else { self.highest_ever };
        let id = last + 1;
        self.highest_ever = self.highest_ever.max(id);

        let parsed = mime::parse(&mail.source, id);
        let message = Message {
            id,
            sender: mail.sender,
            recipients: mail.recipients,
            subject: parsed.subject,
            kind: parsed.kind,
            created: mail.created,
            parts: parsed.parts,
            source: mail.source,
        };
        self.messages.insert(id, message);
        let removed = self.keep_to_limit(options.messages_limit);

        // The real one looks the message up again before it tells of it, so one that the limit took is told as null,
        // and one that cannot be said is not told at all.
        let mut events = Vec::new();
        match self.messages.get(&id).map(|message| message.frame_json(options)) {
            None => events.push(Event::Add("null".to_owned())),
            Some(Ok(json)) => events.push(Event::Add(json)),
            Some(Err(Unsayable)) => {}
        }
        events.extend(removed.into_iter().map(Event::Remove));
        (id, events)
    }

    pub(crate) fn get(&self, id: i64) -> Option<&Message> {
        self.messages.get(&id)
    }

    pub(crate) fn remove(&mut self, id: i64) -> bool {
        self.messages.remove(&id).is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.messages.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn ids(&self) -> Vec<i64> {
        self.messages.keys().copied().collect()
    }

    /// The whole list, oldest first.
    pub(crate) fn list_json(&self, options: &Options) -> Result<String, Unsayable> {
        let mut order: Vec<&Message> = self.messages.values().collect();
        order.sort_by_key(|message| (message.created, message.id));
        let items: Result<Vec<String>, Unsayable> = order.iter().map(|message| message.list_json(options)).collect();
        Ok(format!("[{}]", items?.join(",")))
    }

    /// Of those received in one second the oldest stay, which is not what anybody wants from a limit.
    fn keep_to_limit(&mut self, limit: Option<usize>) -> Vec<i64> {
        let Some(limit) = limit else { return Vec::new() };
        let mut order: Vec<(i64, i64)> = self.messages.values().map(|message| (-message.created, message.id)).collect();
        order.sort_unstable();
        let mut doomed: Vec<i64> = order.iter().skip(limit).map(|(_, id)| *id).collect();
        doomed.sort_unstable();
        for id in &doomed {
            self.messages.remove(id);
        }
        doomed
    }
}

impl Message {
    /// As `GET /messages` lists it.
    fn list_json(&self, options: &Options) -> Result<String, Unsayable> {
        Ok(say(&self.shown(options)?))
    }

    /// As the `add` frame tells it.
    fn frame_json(&self, options: &Options) -> Result<String, Unsayable> {
        Ok(say(&Shown { kind: Some(&self.kind), ..self.shown(options)? }))
    }

    /// As `GET /messages/ID.json` says it.
    pub(crate) fn full_json(&self, options: &Options) -> Result<String, Unsayable> {
        let mut formats = vec!["source"];
        formats.extend(self.html().is_some().then_some("html"));
        formats.extend(self.plain().is_some().then_some("plain"));
        let mut files: Vec<&Part> = self.parts.iter().filter(|part| part.is_attachment()).collect();
        files.sort_by(|one, other| one.filename.cmp(&other.filename));
        let lossy = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let attachments = files.iter().map(|part| Attachment {
            cid: part.cid.clone(),
            kind: part.kind.clone(),
            filename: part.filename.as_ref().map(lossy),
            size: part.body.len(),
        });
        let attachments = Some(attachments.collect());
        Ok(say(&Shown { kind: Some(&self.kind), formats: Some(formats), attachments, ..self.shown(options)? }))
    }

    pub(crate) fn html(&self) -> Option<&Part> {
        let shown = |kind: &str| self.parts.iter().find(|part| part.kind == kind && !part.is_attachment());
        shown("text/html").or_else(|| shown("application/xhtml+xml"))
    }

    pub(crate) fn plain(&self) -> Option<&Part> {
        self.parts.iter().find(|part| part.kind == "text/plain" && !part.is_attachment())
    }

    pub(crate) fn part(&self, cid: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.cid.as_deref() == Some(cid))
    }

    fn shown(&self, options: &Options) -> Result<Shown<'_>, Unsayable> {
        let subject = match &self.subject {
            Subject::None => None,
            Subject::Text(text) => Some(text.as_str()),
            Subject::Broken(_) if options.bad_subject_breaks_list => return Err(Unsayable),
            Subject::Broken(replaced) => Some(replaced.as_str()),
        };
        let created = jiff::Timestamp::from_second(self.created).expect("a time that a calendar knows");
        Ok(Shown {
            id: self.id,
            sender: &self.sender,
            recipients: &self.recipients,
            subject,
            size: self.source.len().to_string(),
            kind: None,
            created_at: created.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
            formats: None,
            attachments: None,
        })
    }
}

fn say(shown: &Shown<'_>) -> String {
    serde_json::to_string(shown).expect("text and numbers can be said in JSON")
}
