//! MailCatcher 0.7 to 0.10: its routes, as observed on the real program.
//!
//! Its own routing is loose: it resolves dots and decodes slashes before it looks, reads `1abc` as 1, and every spelling
//! of `DELETE /` ends it. Here a path is parsed strictly into an [`Action`] and the request is written anew.

mod mailbox;

use http::Method;

use super::{Action, Asked, Catcher, Format, Mailbox, NoRoute, Operation, Payload, is_read, target};
use crate::path::{Slashes, has_escaped_slash};
use crate::permission::Permission;

/// The route table of MailCatcher.
#[derive(Clone, Copy, Debug)]
pub struct MailCatcher;

/// What stands for a format in `/messages/ID.FORMAT`.
fn extension(format: Format) -> &'static str {
    match format {
        Format::Json => "json",
        Format::Html => "html",
        Format::Plain => "plain",
        Format::Source => "source",
        Format::Eml => "eml",
    }
}

const READS: &str = "GET, HEAD";
const READS_AND_DELETE: &str = "GET, HEAD, DELETE";

impl Catcher for MailCatcher {
    fn slashes(&self) -> Slashes {
        Slashes::Merge
    }

    fn reads_cookies(&self) -> bool {
        false
    }

    fn action(&self, asked: &Asked<'_>, prefix: &str, path: &str) -> Result<Action, NoRoute> {
        let resource = Resource::parse(path)?;
        let operation = resource.operation(asked)?;
        Ok(Action {
            operation,
            permission: permission(operation),
            method: asked.method.clone(),
            target: target(resource.write(prefix))?,
            payload: Payload::None,
        })
    }

    fn mailbox(&self) -> Option<&'static dyn Mailbox> {
        Some(&MailCatcher)
    }

    fn socket(&self) -> Option<&'static str> {
        Some("/messages")
    }

    fn is_mailcatcher(&self) -> bool {
        true
    }
}

/// What a path names. Everything that is sent upstream is written from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource<'a> {
    Root,
    Favicon,
    /// The canonical rest below `/assets/`.
    Asset(&'a str),
    Messages,
    Message(u64),
    Format(u64, Format),
    /// A part by its content id, canonical and with escaped slashes.
    Part(u64, &'a str),
}

impl<'a> Resource<'a> {
    /// Parses the canonical rest of a path below the prefix.
    fn parse(path: &'a str) -> Result<Self, NoRoute> {
        if path.is_empty() || path == "/" {
            return Ok(Resource::Root);
        }
        if let Some((id, cid)) = path.strip_prefix("/messages/").and_then(|rest| rest.split_once("/parts/")) {
            return match cid {
                "" => Err(NoRoute::NotFound),
                _ if cid.contains('/') => Err(NoRoute::NotFound),
                _ => Ok(Resource::Part(id_in(id)?, cid)),
            };
        }
        if has_escaped_slash(path) {
            return Err(NoRoute::Ambiguous("the path has an escaped slash in it"));
        }
        match path {
            "/messages" => return Ok(Resource::Messages),
            "/favicon.ico" => return Ok(Resource::Favicon),
            _ => {}
        }
        if let Some(rest) = path.strip_prefix("/assets/") {
            return if rest.is_empty() { Err(NoRoute::NotFound) } else { Ok(Resource::Asset(rest)) };
        }
        match path.strip_prefix("/messages/") {
            Some(rest) if !rest.is_empty() && !rest.contains('/') => match rest.split_once('.') {
                None => Ok(Resource::Message(id_in(rest)?)),
                Some((id, format)) => {
                    let id = id_in(id)?;
                    Format::ALL
                        .into_iter()
                        .find(|known| extension(*known) == format)
                        .map(|known| Resource::Format(id, known))
                        .ok_or(NoRoute::NotFound)
                }
            },
            _ => Err(NoRoute::NotFound),
        }
    }

    /// What `asked.method` does to it.
    fn operation(self, asked: &Asked<'_>) -> Result<Operation, NoRoute> {
        let delete = asked.method == Method::DELETE;
        match self {
            Resource::Root if is_read(asked.method) => Ok(Operation::Page),
            Resource::Root if delete => Ok(Operation::Quit),
            Resource::Messages if asked.method == Method::GET && asked.websocket => Ok(Operation::Socket),
            Resource::Messages if is_read(asked.method) => Ok(Operation::List),
            Resource::Messages if delete => Ok(Operation::Clear),
            Resource::Message(_) if delete => Ok(Operation::Delete),
            Resource::Message(_) if is_read(asked.method) => Err(NoRoute::NotFound),
            Resource::Favicon | Resource::Asset(_) if is_read(asked.method) => Ok(Operation::Asset),
            Resource::Format(_, format) if is_read(asked.method) => Ok(Operation::Message(format)),
            Resource::Part(..) if is_read(asked.method) => Ok(Operation::Part),
            Resource::Root | Resource::Messages => Err(NoRoute::Method(READS_AND_DELETE)),
            Resource::Message(_) => Err(NoRoute::Method("DELETE")),
            Resource::Favicon | Resource::Asset(_) | Resource::Format(..) | Resource::Part(..) => {
                Err(NoRoute::Method(READS))
            }
        }
    }

    fn write(self, prefix: &str) -> String {
        match self {
            Resource::Root => format!("{prefix}/"),
            Resource::Favicon => format!("{prefix}/favicon.ico"),
            Resource::Asset(rest) => format!("{prefix}/assets/{rest}"),
            Resource::Messages => format!("{prefix}/messages"),
            Resource::Message(id) => format!("{prefix}/messages/{id}"),
            Resource::Format(id, format) => format!("{prefix}/messages/{id}.{}", extension(format)),
            Resource::Part(id, cid) => format!("{prefix}/messages/{id}/parts/{cid}"),
        }
    }
}

/// A message's id: digits and nothing else, for MailCatcher itself deletes message 1 when it is asked for `1abc`.
fn id_in(text: &str) -> Result<u64, NoRoute> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NoRoute::Ambiguous("a message's id is a number"));
    }
    // More digits than SQLite's 63-bit row ids have name no message.
    text.parse().ok().filter(|id| i64::try_from(*id).is_ok()).ok_or(NoRoute::NotFound)
}

fn permission(operation: Operation) -> Permission {
    match operation {
        Operation::Delete => Permission::Delete,
        Operation::Clear => Permission::Clear,
        Operation::Quit => Permission::Quit,
        _ => Permission::View,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::super::route;
    use super::*;
    use crate::path::PathError;

    fn asked<'a>(method: &'a Method, path: &'a str) -> Asked<'a> {
        Asked { method, path, query: None, websocket: false }
    }

    fn routed(method: &Method, path: &str) -> Result<(Operation, Permission, String), NoRoute> {
        route(&MailCatcher, "", &asked(method, path)).map(|a| (a.operation, a.permission, a.target.to_string()))
    }

    #[test]
    fn every_route_of_the_catcher_is_known_with_its_permission() {
        use Operation as O;
        use Permission as P;
        for (method, path, operation, permission) in [
            (Method::GET, "/", O::Page, P::View),
            (Method::HEAD, "/", O::Page, P::View),
            (Method::GET, "/favicon.ico", O::Asset, P::View),
            (Method::GET, "/assets/mailcatcher.js", O::Asset, P::View),
            (Method::GET, "/messages", O::List, P::View),
            (Method::GET, "/messages/3.json", O::Message(Format::Json), P::View),
            (Method::GET, "/messages/3.html", O::Message(Format::Html), P::View),
            (Method::GET, "/messages/3.plain", O::Message(Format::Plain), P::View),
            (Method::GET, "/messages/3.source", O::Message(Format::Source), P::View),
            (Method::GET, "/messages/3.eml", O::Message(Format::Eml), P::View),
            (Method::GET, "/messages/3/parts/att1@x", O::Part, P::View),
            (Method::DELETE, "/messages/3", O::Delete, P::Delete),
            (Method::DELETE, "/messages", O::Clear, P::Clear),
            (Method::DELETE, "/", O::Quit, P::Quit),
        ] {
            assert_eq!(routed(&method, path), Ok((operation, permission, path.to_owned())), "{method} {path}");
        }
    }

    #[test]
    fn every_spelling_of_quit_is_quit_or_refused() {
        for path in ["/", "//", "/./", "/x/..", "/..", "/%2e", "/%2e%2e/", "/messages/..", "/messages/%2e%2e"] {
            let (operation, permission, target) = routed(&Method::DELETE, path).unwrap();
            assert_eq!((operation, permission, target.as_str()), (Operation::Quit, Permission::Quit, "/"), "{path}");
        }
        for path in ["/%2F", "/%2f%2f", "/\\", "/%5c", "*", "", "/%2e%2e%2f"] {
            assert!(
                matches!(routed(&Method::DELETE, path), Err(NoRoute::Path(_) | NoRoute::Ambiguous(_))),
                "{path}: {:?}",
                routed(&Method::DELETE, path)
            );
        }
    }

    #[test]
    fn an_id_with_letters_behind_it_is_refused() {
        for path in ["/messages/1abc", "/messages/abc", "/messages/+1", "/messages/1%20", "/messages/1abc.json"] {
            assert!(matches!(routed(&Method::DELETE, path), Err(NoRoute::Ambiguous(_))), "{path}");
        }
        assert_eq!(routed(&Method::DELETE, "/messages/99999999999999999999"), Err(NoRoute::NotFound));
        assert_eq!(routed(&Method::DELETE, "/messages/007").unwrap().2, "/messages/7");
    }

    #[test]
    fn an_escaped_slash_stays_escaped_in_a_content_id_and_is_refused_elsewhere() {
        assert_eq!(routed(&Method::GET, "/messages/1/parts/a%2fb").unwrap().2, "/messages/1/parts/a%2Fb");
        assert!(matches!(routed(&Method::GET, "/assets/a%2fb"), Err(NoRoute::Ambiguous(_))));
        assert_eq!(
            routed(&Method::GET, "/messages/1/parts/..%2f..%2f2.json"),
            Err(NoRoute::Path(PathError::HiddenDots))
        );
    }

    #[test]
    fn methods_and_paths_that_it_lacks_are_not_forwarded() {
        for path in ["/messages/", "/messages/1", "/messages.json", "/MESSAGES", "/robots.txt", "/messages/1.txt"] {
            assert_eq!(routed(&Method::GET, path), Err(NoRoute::NotFound), "{path}");
        }
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::OPTIONS] {
            assert_eq!(routed(&method, "/messages"), Err(NoRoute::Method(READS_AND_DELETE)), "{method}");
        }
        assert_eq!(routed(&Method::DELETE, "/messages/1.json"), Err(NoRoute::Method(READS)));
    }

    #[test]
    fn the_socket_is_at_messages_and_nowhere_else() {
        let upgrade = |path| {
            let asked = Asked { websocket: true, ..asked(&Method::GET, path) };
            route(&MailCatcher, "", &asked).map(|action| action.operation)
        };
        assert_eq!(upgrade("/messages"), Ok(Operation::Socket));
        assert_eq!(upgrade("/"), Ok(Operation::Page));
    }

    #[test]
    fn a_prefix_is_kept_and_what_lies_outside_is_not_the_catchers() {
        let at =
            |method: &Method, path| route(&MailCatcher, "/mail", &asked(method, path)).map(|a| a.target.to_string());
        assert_eq!(at(&Method::GET, "/mail").as_deref(), Ok("/mail/"));
        assert_eq!(at(&Method::GET, "/mail/messages").as_deref(), Ok("/mail/messages"));
        assert_eq!(at(&Method::GET, "/"), Err(NoRoute::Elsewhere("/mail/".to_owned())));
        assert_eq!(at(&Method::DELETE, "/"), Err(NoRoute::NotFound));
        assert_eq!(at(&Method::GET, "/mailbox"), Err(NoRoute::NotFound));
        assert_eq!(at(&Method::GET, "/mail/../messages"), Err(NoRoute::NotFound));
    }

    #[test]
    fn the_own_area_is_never_the_catchers() {
        for path in ["/.mailwarden", "/.mailwarden/live.js", "/%2emailwarden/x", "//.mailwarden/x"] {
            assert_eq!(routed(&Method::GET, path), Err(NoRoute::NotFound), "{path}");
        }
    }

    proptest! {
        /// The small grammar of what reaches MailCatcher, whatever came in.
        #[test]
        fn what_is_sent_is_in_the_route_table(
            method in prop_oneof![Just(Method::GET), Just(Method::HEAD), Just(Method::DELETE), Just(Method::POST)],
            path in "/?(messages|assets|[a-z0-9./%\\\\]|%2[eEfF]|%5c|\\.\\.|//|parts|\\.json|[0-9]){0,12}",
        ) {
            if let Ok((operation, permission, target)) = routed(&method, &path) {
                prop_assert_eq!(operation == Operation::Quit, method == Method::DELETE && target == "/");
                prop_assert_eq!(permission == Permission::Quit, operation == Operation::Quit);
                prop_assert_eq!(permission == Permission::Clear, method == Method::DELETE && target == "/messages");
                prop_assert!(!target.contains("//"));
                // `..x` is a name like any other; it is `..` alone that climbs.
                prop_assert!(target.split('/').all(|segment| segment != ".." && segment != "."));
                // Deciding on what is sent gives the same decision.
                prop_assert_eq!(routed(&method, &target).unwrap(), (operation, permission, target));
            }
        }
    }
}
