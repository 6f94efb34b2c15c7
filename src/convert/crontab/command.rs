//! What a command does to a catcher: curl, wget and HTTPie with `DELETE`, in their many spellings.

use super::shell;
use crate::convert::site::Target;

/// A request that deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// Where it goes; only for a call without any credentials, so that none is taken for an address.
    pub(super) target: Option<Target>,
    /// Whether all messages go.
    pub(super) empties: bool,
    /// Whether the catcher itself ends.
    pub(super) quits: bool,
    /// Whether it has a user name, a password, a header or a file with either.
    pub(super) has_login: bool,
}

/// How often a command may hold another as a text (`sh -c '…'`).
const DEEPEST: usize = 3;

/// The request that a command sends to delete something of a catcher, if it does.
pub(super) fn deletion(command: &str, env: &[(String, String)]) -> Option<Call> {
    find(command, env, DEEPEST)
}

fn find(command: &str, env: &[(String, String)], depth: usize) -> Option<Call> {
    let (commands, is_whole) = shell::commands(command, env);
    let call = commands.iter().find_map(|words| one(words, env, depth))?;
    // With a quote that does not end, what looks like an address may be anything.
    Some(Call { target: call.target.filter(|_| is_whole), ..call })
}

fn one(words: &[String], env: &[(String, String)], depth: usize) -> Option<Call> {
    for (index, word) in words.iter().enumerate() {
        let arguments = words.get(index + 1..).unwrap_or_default();
        let found = match word.rsplit('/').next().unwrap_or_default() {
            "curl" => Request::curl(arguments),
            "wget" => Request::wget(arguments),
            "http" | "https" | "xh" | "xhs" => Request::httpie(arguments),
            "sh" | "bash" | "dash" | "zsh" | "su" if depth > 0 => {
                return arguments.iter().find_map(|argument| find(argument, env, depth - 1));
            }
            _ => continue,
        };
        return found.call();
    }
    None
}

/// A request as far as it matters.
#[derive(Debug, Default)]
struct Request {
    is_delete: bool,
    has_login: bool,
    urls: Vec<String>,
}

/// curl's short options that take a value.
const CURL_SHORT: &str = "AbcCdDeEFhHKmoPQrtTuUwxXyYzZ";
/// Its long ones that people use. A value that is not passed over is no URL of a catcher, either.
const CURL_LONG: [&str; 30] = [
    "request",
    "user",
    "header",
    "data",
    "output",
    "max-time",
    "connect-timeout",
    "retry",
    "retry-delay",
    "retry-max-time",
    "config",
    "netrc-file",
    "proxy",
    "proxy-user",
    "interface",
    "cacert",
    "cert",
    "key",
    "write-out",
    "user-agent",
    "referer",
    "cookie",
    "resolve",
    "unix-socket",
    "oauth2-bearer",
    "stderr",
    "data-raw",
    "json",
    "url-query",
    "pass",
];

impl Request {
    fn curl(arguments: &[String]) -> Self {
        let mut request = Request::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if let Some(long) = argument.strip_prefix("--") {
                let (name, value) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value.to_owned())));
                let takes = CURL_LONG.contains(&name) || name == "url";
                let value = value.or_else(|| if takes { rest.next().cloned() } else { None });
                request.curl_option(name, value);
            } else if let Some(cluster) = argument.strip_prefix('-') {
                let Some(at) = cluster.find(|c: char| CURL_SHORT.contains(c)) else {
                    request.has_login |= cluster.contains('n');
                    continue;
                };
                let (flags, option) = cluster.split_at(at);
                request.has_login |= flags.contains('n');
                let value = option.get(1..).filter(|value| !value.is_empty()).map(str::to_owned);
                let value = value.or_else(|| rest.next().cloned());
                let name = match option.get(..1) {
                    Some("X") => "request",
                    Some("u") => "user",
                    Some("H") => "header",
                    Some("K") => "config",
                    _ => "",
                };
                request.curl_option(name, value);
            } else {
                request.urls.push(argument.clone());
            }
        }
        request
    }

    fn curl_option(&mut self, name: &str, value: Option<String>) {
        let value = value.unwrap_or_default();
        match name {
            "request" => self.is_delete = value.trim_start_matches('=').eq_ignore_ascii_case("DELETE"),
            "url" => self.urls.push(value),
            "user" | "config" | "netrc" | "netrc-file" | "netrc-optional" | "oauth2-bearer" | "cert" => {
                self.has_login = true
            }
            "header" | "cookie" => self.has_login = true,
            _ => {}
        }
    }

    fn wget(arguments: &[String]) -> Self {
        let mut request = Request::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if let Some(long) = argument.strip_prefix("--") {
                let (name, value) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value.to_owned())));
                const LONG: [&str; 10] = [
                    "method",
                    "user",
                    "password",
                    "http-user",
                    "http-password",
                    "header",
                    "output-document",
                    "timeout",
                    "tries",
                    "use-askpass",
                ];
                let value = value.or_else(|| if LONG.contains(&name) { rest.next().cloned() } else { None });
                match name {
                    "method" => request.is_delete = value.is_some_and(|value| value.eq_ignore_ascii_case("DELETE")),
                    "user" | "password" | "http-user" | "http-password" | "header" | "use-askpass" | "load-cookies" => {
                        request.has_login = true
                    }
                    _ => {}
                }
            } else if let Some(cluster) = argument.strip_prefix('-') {
                // -O FILE, -o FILE, -T SECONDS, -t TRIES, -U AGENT; the value may be joined.
                if cluster.ends_with(['O', 'o', 'T', 't', 'U', 'P', 'a', 'e']) {
                    rest.next();
                }
            } else {
                request.urls.push(argument.clone());
            }
        }
        request
    }

    fn httpie(arguments: &[String]) -> Self {
        let mut request = Request::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument.starts_with("-a") || argument.starts_with("--auth") || argument.starts_with("--session") {
                request.has_login = true;
                if matches!(argument.as_str(), "-a" | "--auth" | "--session") {
                    rest.next();
                }
            } else if argument.eq_ignore_ascii_case("DELETE") {
                request.is_delete = true;
            } else if !argument.starts_with('-') {
                // What follows the URL are headers and fields.
                request.has_login |= !request.urls.is_empty();
                request.urls.push(argument.clone());
            }
        }
        request.urls.truncate(1);
        request
    }

    fn call(self) -> Option<Call> {
        if !self.is_delete {
            return None;
        }
        let mut calls = self.urls.iter().filter_map(|url| {
            let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
            let has_login = self.has_login || rest.contains('@') || url.contains(['$', '`']);
            let path = path(rest);
            let empties = path.ends_with("/messages");
            let quits = path.is_empty();
            let target =
                if has_login { None } else { Target::parse(&format!("{scheme}://{}", rest.trim_matches('"'))) };
            // A URL that has neither form is somebody else's.
            let is_catcher =
                empties || path.contains("/messages/") || (quits && target.as_ref().is_none_or(Target::is_catcher));
            is_catcher.then_some(Call { target, empties: empties || quits, quits, has_login })
        });
        let first = calls.next();
        let found = calls.find(|call| call.empties);
        match first {
            Some(first) if first.empties => Some(first),
            first => found.or(first),
        }
    }
}

/// The path of a URL without scheme, query and slash at the end. The host ends at the first slash behind the last `@`: a
/// password may have slashes.
fn path(rest: &str) -> &str {
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let from = rest.rfind('@').map_or(0, |at| at + 1);
    let host = rest.get(from..).unwrap_or_default();
    host.find('/').and_then(|slash| host.get(slash..)).unwrap_or_default().trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_spelling_of_a_deletion_is_found() {
        for (command, has_login) in [
            ("curl -X DELETE http://127.0.0.1:1080/messages", false),
            ("curl -XDELETE http://127.0.0.1:1080/messages", false),
            ("/usr/bin/curl -s -X DELETE http://localhost:1080/messages >/dev/null 2>&1", false),
            ("curl -sSfXDELETE 'http://localhost:1080/messages'", false),
            ("curl --silent --request DELETE \"http://localhost:1080/messages\" > /dev/null", false),
            ("curl --request=DELETE --url http://localhost:1080/messages/", false),
            ("curl localhost:1080/messages -X \"DELETE\"", false),
            ("curl -o /dev/null -m 10 -X delete http://localhost:1080/messages", false),
            ("[ -x /usr/bin/curl ] && curl -X DELETE http://localhost:1080/messages || true", false),
            ("timeout 30 nice -n 10 curl -X DELETE http://localhost:1080/messages", false),
            ("bash -c 'curl -X DELETE http://localhost:1080/messages'", false),
            ("/bin/sh -c \"sleep 5; curl -X DELETE http://localhost:1080/messages\"", false),
            ("wget -q --method=DELETE -O - http://localhost:1080/messages", false),
            ("wget --method DELETE -qO- http://localhost:1080/messages", false),
            ("http DELETE http://localhost:1080/messages", false),
            ("http --ignore-stdin DELETE localhost:1080/messages", false),
            ("curl -u anna:pw -X DELETE http://mail.dev:8080/messages", true),
            ("curl -uanna:pw -XDELETE http://mail.dev:8080/messages", true),
            ("curl -sSu anna:pw -XDELETE http://mail.dev:8080/messages", true),
            ("curl --user=anna:pw --request=DELETE http://mail.dev:8080/messages", true),
            ("curl --user anna:pw --request DELETE http://mail.dev:8080/messages", true),
            ("curl -X DELETE http://anna:p@w/x@mail.dev:8080/messages", true),
            ("curl -n -X DELETE http://mail.dev:8080/messages", true),
            ("curl -K /root/.curlrc -X DELETE http://mail.dev:8080/messages", true),
            ("curl -H 'Authorization: Basic YTpi' -X DELETE http://mail.dev:8080/messages", true),
            ("wget --user=a --password=b --method=DELETE http://mail.dev/messages", true),
            ("http -a a:b DELETE http://mail.dev/messages", true),
            ("curl -X DELETE $URL", false),
        ] {
            let env = [("URL".to_owned(), "http://localhost:1080/messages".to_owned())];
            let call = deletion(command, &env).unwrap_or_else(|| panic!("{command}"));
            assert!(call.empties && !call.quits, "{command}");
            assert_eq!((call.has_login, call.target.is_some()), (has_login, !has_login), "{command}");
        }
    }

    #[test]
    fn other_commands_empty_nothing() {
        for command in [
            "",
            "curl http://localhost:1080/messages",
            "curl -X POST http://localhost:1080/messages",
            "curl -X DELETE http://localhost:9200/index",
            "echo curl -X DELETE",
            "mysql -e 'DELETE FROM messages'",
            "http GET http://localhost:1080/messages",
        ] {
            assert!(deletion(command, &[]).is_none_or(|call| !call.empties), "{command}");
        }
        assert!(deletion("curl -X DELETE http://localhost:1080/messages/7", &[]).is_some_and(|call| !call.empties));
        assert!(deletion("curl -X DELETE http://localhost:1080/", &[]).is_some_and(|call| call.quits));
    }

    proptest! {
        #[test]
        fn no_command_panics(command: String) {
            let _ = deletion(&command, &[]);
        }

        #[test]
        fn nothing_that_looks_like_one_panics(command in "(curl|wget|http|sh|-c|-X|DELETE|--|-|=|http://|@|/messages|[ '\"\\\\$\\{\\};&|<>`]){0,20}") {
            let _ = deletion(&command, &[("a".to_owned(), "b".to_owned())]);
        }
    }
}
