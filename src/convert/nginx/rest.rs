//! What is left: each directive that became no key is told, unless the gate does by itself what it was for.

use super::access;
use super::scope::Spot;
use super::servers::Server;
use crate::convert::site::Work;
use crate::convert::tree::Directive;

/// Directives that became keys, or that the gate has no need of: what they are for happens anyway.
const DONE: &[&str] = &[
    "listen",
    "server_name",
    "location",
    "set",
    "map",
    "upstream",
    "server",
    "http",
    "proxy_pass",
    "client_max_body_size",
    "keepalive_timeout",
    "client_header_timeout",
    "client_body_timeout",
    "proxy_connect_timeout",
    "send_timeout",
    "proxy_read_timeout",
    "set_real_ip_from",
    "real_ip_header",
    "real_ip_recursive",
    "access_log",
    "log_format",
    "auth_basic_user_file",
    "allow",
    "deny",
    "satisfy",
    "auth_basic",
    "proxy_http_version",
    "proxy_buffering",
    "proxy_request_buffering",
    "proxy_send_timeout",
    "proxy_set_header",
    "proxy_cache_bypass",
    "proxy_no_cache",
    "proxy_buffers",
    "proxy_buffer_size",
    "proxy_busy_buffers_size",
    "proxy_max_temp_file_size",
    "proxy_pass_request_headers",
    "proxy_pass_request_body",
    "proxy_hide_header",
    "proxy_socket_keepalive",
    "chunked_transfer_encoding",
    "client_body_buffer_size",
    "client_header_buffer_size",
    "large_client_header_buffers",
    "keepalive_requests",
    "server_tokens",
    "tcp_nodelay",
    "tcp_nopush",
    "sendfile",
    "types_hash_max_size",
    "server_names_hash_bucket_size",
    "map_hash_bucket_size",
    "default_type",
    "types",
    "charset",
    "events",
    "worker_processes",
    "worker_connections",
    "worker_rlimit_nofile",
    "user",
    "pid",
    "daemon",
    "load_module",
    "stream",
    "mail",
    "resolver",
    "resolver_timeout",
    "http2",
    "underscores_in_headers",
    "ignore_invalid_headers",
    "reset_timedout_connection",
    "log_not_found",
    "auth_delay",
    "merge_slashes",
    "absolute_redirect",
    "port_in_redirect",
    "ssl",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_protocols",
    "ssl_prefer_server_ciphers",
    "ssl_session_cache",
    "ssl_session_timeout",
    "ssl_session_tickets",
    "ssl_session_ticket_key",
    "ssl_buffer_size",
    "ssl_handshake_timeout",
    "ssl_verify_client",
    "ssl_client_certificate",
    "ssl_verify_depth",
];

/// Files that packages bring, in which nobody is let in or kept out. Not those that people write their TLS into, which are
/// where `ssl_verify_client` is.
const HARMLESS: &[&str] = &[
    "proxy_params",
    "mime.types",
    "fastcgi_params",
    "fastcgi.conf",
    "uwsgi_params",
    "scgi_params",
    "options-ssl-nginx.conf",
    "koi-utf",
    "koi-win",
    "win-utf",
];

/// Tells of every directive around and in the server that has not been told.
pub(super) fn tell(work: &mut Work, server: &Server<'_>, main: Option<&Spot<'_>>, spots: &[Spot<'_>]) {
    let around = server.chain.split_last().map_or(&[][..], |(_, around)| around);
    let whole = spots.first();
    for one in around.iter().flat_map(|block| block.iter()) {
        if let Some(whole) = whole {
            directive(work, one, whole, true);
        }
    }
    for spot in spots {
        let own = spot.chain.last().copied().unwrap_or_default();
        let is_around = main.is_some_and(|main| main.chain.iter().any(|block| std::ptr::eq(*block, own)));
        let is_same = main.and_then(|main| main.pass.as_ref()).is_some_and(|(_, target)| spot.forwards_to(target));
        if !is_around && !is_same && health(work, spot, own) {
            continue;
        }
        if let (false, false, Some(location)) = (is_around, is_same, spot.location) {
            let holds_it = location.inside().iter().any(|inner| inner.name == "location");
            if !holds_it {
                work.dropped(
                    &location.place,
                    format!("{}: is not the catcher's, and only the catcher is forwarded to", spot.name()),
                );
            }
            for one in own {
                if !access::protection(work, one, spot, false) {
                    unread(work, one);
                }
            }
            continue;
        }
        for one in own {
            directive(work, one, spot, is_around);
        }
    }
}

fn directive(work: &mut Work, one: &Directive, spot: &Spot<'_>, is_main: bool) {
    if unread(work, one) || access::protection(work, one, spot, is_main) {
        return;
    }
    let at = &one.place;
    match one.name.as_str() {
        "proxy_set_header" => set_header(work, one),
        name if DONE.contains(&name) => {}
        "proxy_redirect" if matches!(one.arg(0), "off" | "default") => {}
        "proxy_cache" | "gzip" if one.arg(0) == "off" => {}
        "limit_req" | "limit_conn" | "limit_req_zone" | "limit_conn_zone" => {
            work.changed(at, format!("{}: guessing passwords is slowed down without it, and limits.connections_per_address counts connections", one.name));
        }
        "add_header" if one.arg(0).eq_ignore_ascii_case("Strict-Transport-Security") => work.hsts(at, one.arg(1)),
        "add_header" => work.dropped(at, format!("add_header {}: answers get no headers of yours", one.arg(0))),
        "ssl_ciphers" | "ssl_conf_command" | "ssl_ecdh_curve" | "ssl_dhparam" => work.dropped(
            at,
            format!("{}: the gate has its own choice, of those that keep past connections secret and are not broken", one.name),
        ),
        "ssl_password_file" => work.dropped(
            at,
            "ssl_password_file: a key must not be encrypted here; write one that is not with openssl pkey, for mailwarden only",
        ),
        name if name.starts_with("ssl_stapling") || name == "ssl_trusted_certificate" => {
            work.dropped(at, format!("{name}: no OCSP answers are sent along; browsers do not need them"));
        }
        name if name.starts_with("ssl_") => work.dropped(at, format!("{name}: has no counterpart")),
        "error_log" => work.changed(at, "error_log: what is not an access line goes to standard error"),
        "error_page" => work.dropped(at, "error_page: the gate has pages of its own, as HTML, JSON or text"),
        "if" => work.dropped(at, "if: has no counterpart"),
        "return" | "rewrite" | "try_files" => {
            work.dropped(at, format!("{}: nothing is redirected or rewritten", one.name))
        }
        "root" | "index" | "alias" | "autoindex" => work.dropped(at, format!("{}: no files are served", one.name)),
        name => work.dropped(at, format!("{name}: has no counterpart")),
    }
}

/// An include that was not followed might keep people out.
fn unread(work: &mut Work, one: &Directive) -> bool {
    let Some(reason) = &one.unread else { return false };
    let path = one.arg(0);
    let name = path.rsplit('/').next().unwrap_or_default();
    if HARMLESS.contains(&name) || path.contains("modules-enabled") {
        work.dropped(&one.place, format!("include {path}: not read, and by its name not needed ({reason})"));
    } else {
        work.open(
            &one.place,
            format!("include {path}: not read, so what it allows or denies is not known ({reason}); put its text in its place, and convert again"),
        );
    }
    true
}

fn set_header(work: &mut Work, one: &Directive) {
    let name = one.arg(0).to_ascii_lowercase();
    let is_done = matches!(
        name.as_str(),
        "host"
            | "upgrade"
            | "connection"
            | "accept-encoding"
            | "origin"
            | "referer"
            | "te"
            | "x-real-ip"
            | "x-real-port"
            | "forwarded"
            | "x-scheme"
            | "x-nginx-proxy"
            | "proxy"
            | "x-url-scheme"
            | "remote-user"
            | "x-remote-user"
            | "x-webauth-user"
    ) || name.starts_with("x-forwarded-")
        || name.starts_with("sec-websocket");
    match name.as_str() {
        "authorization" if one.arg(1).is_empty() => {}
        "authorization" => work.dropped(&one.place, "proxy_set_header Authorization: for a catcher with a login of its own write upstream.username and upstream.password_file"),
        _ if is_done => {}
        _ => work.dropped(&one.place, format!("proxy_set_header {}: the catcher gets no headers of yours", one.arg(0))),
    }
}

/// A path that answers by itself, for load balancers.
fn health(work: &mut Work, spot: &Spot<'_>, own: &[Directive]) -> bool {
    let Some(location) = spot.location.filter(|_| spot.is_exact()) else { return false };
    let answers = own.iter().any(|one| one.name == "return" && one.arg(0) == "200");
    let known = |one: &Directive| {
        matches!(
            one.name.as_str(),
            "return" | "auth_basic" | "access_log" | "add_header" | "default_type" | "log_not_found"
        )
    };
    if !answers || !own.iter().all(known) || work.draft.get("health_path").is_some() {
        return false;
    }
    let path = spot.prefix().unwrap_or_default();
    if !work.set(&location.place, "location", "health_path", path) {
        return false;
    }
    work.changed(&location.place, format!("{path} answers \"ready\", or 503 while the gate stops or has no users"));
    true
}
