//! Faults that a test asks for. A script is a list of steps that replaces the plain answer to one request; with these
//! few kinds of step any upstream that a proxy may meet can be played.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::http::Request;

#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The answer that would have been given, whole; for a handshake, the WebSocket too.
    Answer,
    /// The whole head of that answer, and this much of its body.
    AnswerUpTo(usize),
    /// That answer in pieces of this size, with a pause before each.
    AnswerSlowly(usize, Duration),
    /// These bytes as they are.
    Send(Vec<u8>),
    Wait(Duration),
    /// Nothing until the test opens the gate.
    Hold(Gate),
    /// Nothing at all, until the peer leaves.
    Silence,
    /// Gives back every byte that comes, until the peer leaves: a tunnel's far end.
    Echo,
    /// FIN in this direction, while the other stays open.
    HalfClose,
    /// FIN, at once.
    Close,
    /// RST, at once.
    Reset,
    /// Goes on as usual, but the next bytes that come on this connection end it unanswered: a pooled connection that
    /// went stale.
    CloseOnNextBytes,
}

/// Holds an answer back until the test opens it.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Gate {
        Gate(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn open(&self) {
        self.0.close();
    }

    pub(crate) async fn opened(&self) {
        // A semaphore without permits is only ever left by closing it.
        let _ = self.0.acquire().await;
    }
}

impl Script {
    pub(crate) fn new() -> Script {
        Script::default()
    }

    // --- the usual ones, by name

    /// Reads the request and never says anything.
    pub(crate) fn never_answer() -> Script {
        Script::new().silence()
    }

    /// Answers as usual, late.
    pub(crate) fn late(by: Duration) -> Script {
        Script::new().wait(by).answer()
    }

    /// Answers as usual, once the gate is open.
    pub(crate) fn held(gate: &Gate) -> Script {
        Script::new().hold(gate).answer()
    }

    /// Closes in place of an answer.
    pub(crate) fn no_answer() -> Script {
        Script::new().close()
    }

    /// Answers, then closes as soon as the next request begins to arrive on that connection.
    pub(crate) fn goes_stale() -> Script {
        Script::new().answer().close_on_next_bytes()
    }

    /// Dies after that many bytes of the answer's body.
    pub(crate) fn cut_after(body_bytes: usize) -> Script {
        Script::new().answer_up_to(body_bytes).close()
    }

    /// Dies in the middle of a chunk.
    pub(crate) fn cut_inside_chunk() -> Script {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
        Script::new().send(format!("{head}5\r\nhello\r\n5\r\nhe")).close()
    }

    /// Dies after a whole chunk, before the one that ends the body.
    pub(crate) fn cut_between_chunks() -> Script {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
        Script::new().send(format!("{head}5\r\nhello\r\n")).close()
    }

    /// Sends exactly these bytes; the connection stays open.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Script {
        Script::new().send(bytes)
    }

    /// A complete answer of the test's own, with its `Content-Length`. `status` is `200 OK` and the like.
    pub(crate) fn reply(status: &str, headers: &[(&str, &str)], body: &str) -> Script {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Script::raw(format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len()))
    }

    /// Says 101 to whatever it was asked.
    pub(crate) fn switches_unasked() -> Script {
        Script::raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    }

    /// What is not HTTP at all.
    pub(crate) fn garbage() -> Script {
        Script::raw("\0\u{1}\u{2} this is not the protocol you are looking for\r\n\r\n").close()
    }

    // --- the steps, to be chained

    pub(crate) fn answer(self) -> Script {
        self.then(Step::Answer)
    }

    pub(crate) fn answer_up_to(self, body_bytes: usize) -> Script {
        self.then(Step::AnswerUpTo(body_bytes))
    }

    pub(crate) fn answer_slowly(self, piece: usize, pause: Duration) -> Script {
        self.then(Step::AnswerSlowly(piece, pause))
    }

    pub(crate) fn send(self, bytes: impl Into<Vec<u8>>) -> Script {
        self.then(Step::Send(bytes.into()))
    }

    pub(crate) fn wait(self, time: Duration) -> Script {
        self.then(Step::Wait(time))
    }

    pub(crate) fn hold(self, gate: &Gate) -> Script {
        self.then(Step::Hold(gate.clone()))
    }

    pub(crate) fn silence(self) -> Script {
        self.then(Step::Silence)
    }

    pub(crate) fn echo(self) -> Script {
        self.then(Step::Echo)
    }

    pub(crate) fn half_close(self) -> Script {
        self.then(Step::HalfClose)
    }

    pub(crate) fn close(self) -> Script {
        self.then(Step::Close)
    }

    pub(crate) fn reset(self) -> Script {
        self.then(Step::Reset)
    }

    pub(crate) fn close_on_next_bytes(self) -> Script {
        self.then(Step::CloseOnNextBytes)
    }

    fn then(mut self, step: Step) -> Script {
        self.steps.push(step);
        self
    }
}

/// The scripts that wait for their request.
#[derive(Default)]
pub(crate) struct Rules(Vec<Rule>);

struct Rule {
    method: Option<String>,
    path: Option<String>,
    script: Script,
    always: bool,
}

impl Rules {
    pub(crate) fn add(&mut self, pattern: &str, script: Script, always: bool) {
        let (method, path) = match pattern.split_once(' ') {
            Some((method, path)) => (Some(method), Some(path)),
            None if pattern == "ACCEPT" => (Some(pattern), None),
            None => (None, Some(pattern)),
        };
        let path = path.filter(|path| *path != "*");
        self.0.push(Rule { method: method.map(str::to_owned), path: path.map(str::to_owned), script, always });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn for_request(&mut self, request: &Request) -> Option<Script> {
        let target = String::from_utf8_lossy(&request.target);
        let path = target.split('?').next().unwrap_or_default();
        let method = if request.wants_socket() { "UPGRADE" } else { request.method.as_str() };
        self.take(|rule| {
            rule.method.as_deref().is_none_or(|wanted| wanted == method)
                && rule.path.as_deref().is_none_or(|wanted| wanted == path)
        })
    }

    pub(crate) fn for_connection(&mut self) -> Option<Script> {
        self.take(|rule| rule.method.as_deref() == Some("ACCEPT"))
    }

    fn take(&mut self, fits: impl Fn(&Rule) -> bool) -> Option<Script> {
        if let Some(place) = self.0.iter().position(|rule| !rule.always && fits(rule)) {
            return Some(self.0.remove(place).script);
        }
        self.0.iter().find(|rule| rule.always && fits(rule)).map(|rule| rule.script.clone())
    }
}
