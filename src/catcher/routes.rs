//! Tables of routes: what a catcher takes, path by path, and nothing else.
//!
//! A pattern is a path in which `:id` stands for a message's id, `:number` for digits, both with something after them if
//! need be, `:name` for any one segment and a last `*` for all that follows. The first route whose pattern fits decides. What is sent is the pattern filled in: no
//! escaped slash is ever in it, since some of these programs decode it before they look, and some after.

use http::Method;

use super::{Action, Asked, NoRoute, Operation, Payload, is_read, push_query, target};
use crate::path::has_escaped_slash;
use crate::permission::Permission;

/// What is at a path.
#[derive(Debug)]
pub(super) struct Route {
    path: &'static str,
    /// The value of `Allow`.
    allow: &'static str,
    does: &'static [Does],
}

/// What one method does there.
#[derive(Debug)]
pub(super) struct Does {
    method: Verb,
    operation: Operation,
    permission: Permission,
    keeps_query: bool,
    body: Sent,
}

/// A method, or the two that read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Read,
    Socket,
    Delete,
    Post,
    Put,
    Patch,
}

/// What becomes of a body.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Nothing,
    AsItCame,
    Decides,
}

impl Route {
    pub(super) const fn at(path: &'static str, allow: &'static str, does: &'static [Does]) -> Self {
        Self { path, allow, does }
    }
}

impl Does {
    const fn new(method: Verb, operation: Operation, permission: Permission) -> Self {
        Self { method, operation, permission, keeps_query: false, body: Sent::Nothing }
    }

    /// GET and HEAD give `operation`.
    pub(super) const fn read(operation: Operation) -> Self {
        Self::new(Verb::Read, operation, Permission::View)
    }

    /// A WebSocket handshake opens one whose bytes are passed.
    pub(super) const fn socket() -> Self {
        Self::new(Verb::Socket, Operation::Tunnel, Permission::View).with_query()
    }

    /// DELETE removes the message.
    pub(super) const fn delete() -> Self {
        Self::new(Verb::Delete, Operation::Delete, Permission::Delete)
    }

    /// DELETE removes everything, or could.
    pub(super) const fn clear() -> Self {
        Self::new(Verb::Delete, Operation::Clear, Permission::Clear)
    }

    /// DELETE ends the catcher.
    pub(super) const fn quit() -> Self {
        Self::new(Verb::Delete, Operation::Quit, Permission::Quit)
    }

    /// DELETE removes what its body names. Until that is known it is taken for the worst.
    pub(super) const fn delete_by_body() -> Self {
        Self::clear().deciding()
    }

    /// POST removes what its body names.
    pub(super) const fn post_delete_by_body() -> Self {
        Self::new(Verb::Post, Operation::Clear, Permission::Clear).deciding()
    }

    /// POST changes something that `permission` is for.
    pub(super) const fn post(permission: Permission) -> Self {
        Self::new(Verb::Post, Operation::Change, permission)
    }

    /// PUT does.
    pub(super) const fn put(permission: Permission) -> Self {
        Self::new(Verb::Put, Operation::Change, permission)
    }

    /// PATCH does.
    pub(super) const fn patch(permission: Permission) -> Self {
        Self::new(Verb::Patch, Operation::Change, permission)
    }

    /// DELETE of something that is no message.
    pub(super) const fn delete_other() -> Self {
        Self::new(Verb::Delete, Operation::Change, Permission::Write)
    }

    /// With the query as it came.
    pub(super) const fn with_query(mut self) -> Self {
        self.keeps_query = true;
        self
    }

    /// With the body as it came.
    pub(super) const fn with_body(mut self) -> Self {
        self.body = Sent::AsItCame;
        self
    }

    /// What it gives is `operation`.
    pub(super) const fn giving(mut self, operation: Operation) -> Self {
        self.operation = operation;
        self
    }

    const fn deciding(mut self) -> Self {
        self.body = Sent::Decides;
        self
    }

    fn is_asked(&self, asked: &Asked<'_>) -> bool {
        match self.method {
            Verb::Socket => asked.websocket && asked.method == Method::GET,
            Verb::Read => is_read(asked.method),
            Verb::Delete => asked.method == Method::DELETE,
            Verb::Post => asked.method == Method::POST,
            Verb::Put => asked.method == Method::PUT,
            Verb::Patch => asked.method == Method::PATCH,
        }
    }
}

/// The action behind `asked` by a table; `path` is canonical and below the prefix. `is_id` says what an id looks like.
pub(super) fn find(
    routes: &[Route],
    is_id: fn(&str) -> bool,
    asked: &Asked<'_>,
    prefix: &str,
    path: &str,
) -> Result<Action, NoRoute> {
    let path = if path.is_empty() { "/" } else { path };
    if has_escaped_slash(path) {
        return Err(NoRoute::Ambiguous("the path has an escaped slash in it"));
    }
    let mut no_id = false;
    for route in routes {
        let mut text = String::from(prefix);
        match fill(route.path, path, is_id, &mut text) {
            Fit::No => continue,
            Fit::NoId => {
                no_id = true;
                continue;
            }
            Fit::Yes => {}
        }
        let Some(does) = route.does.iter().find(|does| does.is_asked(asked)) else {
            return Err(NoRoute::Method(route.allow));
        };
        if let Some(query) = asked.query.filter(|_| does.keeps_query) {
            push_query(&mut text, query);
        }
        return Ok(Action {
            operation: does.operation,
            permission: does.permission,
            method: asked.method.clone(),
            target: target(text)?,
            payload: match does.body {
                Sent::Nothing => Payload::None,
                Sent::AsItCame => Payload::AsItCame,
                Sent::Decides => Payload::Decides,
            },
        });
    }
    Err(if no_id { NoRoute::Ambiguous("that is no id of a message here") } else { NoRoute::NotFound })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Yes,
    No,
    /// But for what stands where an id has to.
    NoId,
}

/// Compares piece by piece, and writes what fits.
fn fill(pattern: &str, path: &str, is_id: fn(&str) -> bool, text: &mut String) -> Fit {
    let mut pieces = pattern.split('/').skip(1);
    let mut segments = path.split('/').skip(1);
    let mut fit = Fit::Yes;
    loop {
        let (piece, segment) = match (pieces.next(), segments.next()) {
            (None, None) => return fit,
            (Some(piece), Some(segment)) => (piece, segment),
            _ => return Fit::No,
        };
        text.push('/');
        match piece {
            "*" => {
                if segment.is_empty() {
                    return Fit::No;
                }
                text.push_str(segment);
                for segment in segments {
                    text.push('/');
                    text.push_str(segment);
                }
                return fit;
            }
            ":name" if !segment.is_empty() => text.push_str(segment),
            _ if segment.is_empty() && !piece.is_empty() => return Fit::No,
            _ if piece.starts_with(":id") => {
                let Some(id) = piece.strip_prefix(":id").and_then(|after| segment.strip_suffix(after)) else {
                    return Fit::No;
                };
                if !is_id(id) {
                    fit = Fit::NoId;
                }
                text.push_str(segment);
            }
            _ => match piece.split_once(":number") {
                Some((before, after)) => {
                    let Some(rest) = segment.strip_prefix(before) else { return Fit::No };
                    let Some(digits) = rest.strip_suffix(after).filter(|digits| !digits.contains('.')) else {
                        return Fit::No;
                    };
                    match number(digits) {
                        Some(number) => text.push_str(&format!("{before}{number}{after}")),
                        None => fit = Fit::NoId,
                    }
                }
                None if piece == segment => text.push_str(segment),
                None => return Fit::No,
            },
        }
    }
}

/// Digits and nothing else, as far as SQLite's row ids go.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && i64::try_from(*number).is_ok())
}

/// For tables without ids that are names.
pub(super) fn no_ids(_text: &str) -> bool {
    false
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap is a failed test")]
pub(super) mod tests {
    use super::super::{Catcher, route};
    use super::*;

    /// What a request comes to: operation, permission, and what is sent.
    pub(in super::super) type Came = Result<(Operation, Permission, String), NoRoute>;

    pub(in super::super) fn routed(catcher: &dyn Catcher, method: &str, path: &str) -> Came {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let asked = Asked { method: &method, path, query, websocket: false };
        route(catcher, "", &asked).map(|action| (action.operation, action.permission, action.target.to_string()))
    }

    /// Every line: a method, a path, what it does, and the permission; with `-> ...` what is sent where that differs.
    pub(in super::super) fn holds(catcher: &dyn Catcher, table: &str) {
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.split_whitespace();
            let mut word = || words.next().unwrap_or_default();
            let (method, path, operation, permission) = (word(), word(), word(), word());
            let sent = if word() == "->" { word() } else { path };
            let came = routed(catcher, method, path).map(|(o, p, t)| (format!("{o:?}"), p.to_string(), t));
            assert_eq!(came, Ok((operation.to_owned(), permission.to_owned(), sent.to_owned())), "{line}");
        }
    }

    /// Every line: a method and a path that go nowhere.
    pub(in super::super) fn refuses(catcher: &dyn Catcher, table: &str) {
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (method, path) = line.split_once(' ').expect("a method and a path");
            let came = routed(catcher, method, path);
            assert!(came.is_err(), "{line}: {came:?}");
        }
    }

    /// What `allow` says is what the route does; patterns are well formed.
    pub(in super::super) fn is_in_order(routes: &[Route]) {
        for route in routes {
            assert!(route.path.starts_with('/'), "{}", route.path);
            let mut allow: Vec<&str> = Vec::new();
            for does in route.does {
                allow.extend(match does.method {
                    Verb::Read => ["GET", "HEAD"].as_slice(),
                    Verb::Socket => &["GET"],
                    Verb::Delete => &["DELETE"],
                    Verb::Post => &["POST"],
                    Verb::Put => &["PUT"],
                    Verb::Patch => &["PATCH"],
                });
            }
            let mut told: Vec<&str> = route.allow.split(", ").collect();
            for list in [&mut allow, &mut told] {
                list.sort_unstable();
                list.dedup();
            }
            assert_eq!(allow, told, "{}", route.path);
        }
    }

    fn filled(pattern: &str, path: &str) -> Option<String> {
        let mut text = String::new();
        let fit = fill(pattern, path, |id| id.bytes().all(|byte| byte.is_ascii_alphanumeric()), &mut text);
        (fit == Fit::Yes).then_some(text)
    }

    #[test]
    fn a_pattern_takes_what_it_says_and_nothing_longer_or_shorter() {
        assert_eq!(filled("/a/:id", "/a/x1").as_deref(), Some("/a/x1"));
        assert_eq!(filled("/a/:number.json", "/a/007.json").as_deref(), Some("/a/7.json"));
        assert_eq!(filled("/a/*", "/a/b/c").as_deref(), Some("/a/b/c"));
        assert_eq!(filled("/a/", "/a/").as_deref(), Some("/a/"));
        for (pattern, path) in [
            ("/a/:id", "/a/"),
            ("/a/:id", "/a/b/c"),
            ("/a/:id", "/a/b/"),
            ("/a/:id", "/a/b.c"),
            ("/a/:id", "/A/b"),
            ("/a/:number", "/a/1a"),
            ("/a/:number", "/a/9223372036854775808"),
            ("/a/:number.json", "/a/1.2.json"),
            ("/a/*", "/a/"),
            ("/a", "/a/"),
            ("/a/", "/a"),
        ] {
            assert_eq!(filled(pattern, path), None, "{pattern} {path}");
        }
    }
}
