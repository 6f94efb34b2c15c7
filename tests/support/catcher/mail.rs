//! A mail to put into the catcher, with its envelope and its time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A mail to put in, with its envelope.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    /// The whole message, lines ended by CRLF.
    pub(crate) source: Vec<u8>,
    /// When it came, in seconds since 1970.
    pub(crate) created: i64,
}

impl Mail {
    /// A small plain one from Alice to Bob, received now.
    pub(crate) fn new(subject: &str) -> Mail {
        let head = "From: alice@example.com\r\nTo: bob@example.com\r\n";
        Mail::from_source(format!("{head}Subject: {subject}\r\n\r\nThis is {subject}.\r\n"))
    }

    /// A message as it stands, received now.
    pub(crate) fn from_source(source: impl Into<Vec<u8>>) -> Mail {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970");
        Mail {
            sender: "<alice@example.com>".to_owned(),
            recipients: vec!["<bob@example.com>".to_owned()],
            source: source.into(),
            created: i64::try_from(now.as_secs()).expect("the clock stands before the end of time"),
        }
    }

    /// The one that makes the list fail: its subject is not UTF-8.
    pub(crate) fn with_broken_subject() -> Mail {
        Mail::from_source(&b"From: alice@example.com\r\nSubject: caf\xe9\r\n\r\nThe list cannot say this.\r\n"[..])
    }

    /// The envelope's sender, with its angle brackets.
    pub(crate) fn from(self, sender: &str) -> Mail {
        Mail { sender: sender.to_owned(), ..self }
    }

    /// The envelope's recipients, with their angle brackets.
    pub(crate) fn to(self, recipients: &[&str]) -> Mail {
        Mail { recipients: recipients.iter().map(|&recipient| recipient.to_owned()).collect(), ..self }
    }

    /// Received that long ago.
    pub(crate) fn aged(self, age: Duration) -> Mail {
        let age = i64::try_from(age.as_secs()).expect("an age that fits a calendar");
        Mail { created: self.created - age, ..self }
    }

    /// Received at that second since 1970.
    pub(crate) fn received_at(self, created: i64) -> Mail {
        Mail { created, ..self }
    }
}
