//! A catcher whose interface is not known: GET and HEAD are reading, everything else is writing.

use super::{Action, Asked, Catcher, NoRoute, Operation, Payload, is_read, push_query, target};
use crate::path::Slashes;
use crate::permission::Permission;

/// Forwards what it does not understand, in canonical form.
#[derive(Clone, Copy, Debug)]
pub struct Generic;

impl Catcher for Generic {
    fn slashes(&self) -> Slashes {
        Slashes::Keep
    }

    fn reads_cookies(&self) -> bool {
        true
    }

    fn action(&self, asked: &Asked<'_>, prefix: &str, path: &str) -> Result<Action, NoRoute> {
        let mut text = format!("{prefix}{path}");
        if text.is_empty() {
            text.push('/');
        }
        if let Some(query) = asked.query {
            push_query(&mut text, query);
        }
        Ok(Action {
            operation: if asked.websocket { Operation::Tunnel } else { Operation::Other },
            permission: if is_read(asked.method) { Permission::View } else { Permission::Write },
            method: asked.method.clone(),
            target: target(text)?,
            payload: Payload::AsItCame,
        })
    }

    fn socket(&self) -> Option<&'static str> {
        None
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::super::route;
    use super::*;

    fn routed(method: &Method, path: &str, query: Option<&str>) -> Result<(Permission, String), NoRoute> {
        route(&Generic, "", &Asked { method, path, query, websocket: false })
            .map(|action| (action.permission, action.target.to_string()))
    }

    #[test]
    fn reading_is_view_and_the_rest_is_write() {
        assert_eq!(routed(&Method::GET, "/a", None), Ok((Permission::View, "/a".to_owned())));
        assert_eq!(routed(&Method::HEAD, "/a", None), Ok((Permission::View, "/a".to_owned())));
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            assert_eq!(routed(&method, "/a", None), Ok((Permission::Write, "/a".to_owned())), "{method}");
        }
    }

    #[test]
    fn the_path_is_canonical_and_the_query_untouched() {
        assert_eq!(
            routed(&Method::GET, "/a//%62/../c", Some("x=%2f..&y")),
            Ok((Permission::View, "/a//c?x=%2f..&y".to_owned()))
        );
        assert_eq!(
            routed(&Method::GET, "/", Some("\u{e4}=%c3%a4")),
            Ok((Permission::View, "/?%C3%A4=%c3%a4".to_owned())),
            "but for what is not ASCII"
        );
        assert_eq!(routed(&Method::GET, "/.mailwarden/x", None), Err(NoRoute::NotFound));
    }
}
