//! What is left: each directive that became no key is told, unless the gate does by itself what it was for.

use super::hosts::Host;
use super::tls;
use crate::convert::site::Work;
use crate::convert::tree::Directive;

/// Directives that became keys, are told elsewhere, or that the gate has no need of.
const DONE: &[&str] = &[
    "virtualhost",
    "servername",
    "serveralias",
    "listen",
    "location",
    "locationmatch",
    "proxy",
    "proxymatch",
    "directory",
    "directorymatch",
    "files",
    "filesmatch",
    "if",
    "elseif",
    "else",
    "proxypass",
    "proxypassmatch",
    "proxypassreverse",
    "proxypassreversecookiedomain",
    "proxypassreversecookiepath",
    "proxypreservehost",
    "proxyrequests",
    "proxyvia",
    "proxytimeout",
    "proxybadheader",
    "proxyaddheaders",
    "proxywebsocketfallbacktoproxyhttp",
    "rewriteengine",
    "rewritecond",
    "rewriterule",
    "authtype",
    "authname",
    "authuserfile",
    "authbasicprovider",
    "authgroupfile",
    "require",
    "requireany",
    "requireall",
    "requirenone",
    "order",
    "allow",
    "deny",
    "satisfy",
    "limit",
    "limitexcept",
    "allowmethods",
    "limitrequestbody",
    "keepalivetimeout",
    "keepalive",
    "maxkeepaliverequests",
    "remoteiptrustedproxy",
    "remoteipinternalproxy",
    "remoteipheader",
    "customlog",
    "loadmodule",
    "namevirtualhost",
    "serverroot",
    "serveradmin",
    "serversignature",
    "servertokens",
    "usecanonicalname",
    "user",
    "group",
    "pidfile",
    "mutex",
    "hostnamelookups",
    "balancermember",
    "sslengine",
    "sslcertificatefile",
    "sslcertificatekeyfile",
    "sslcertificatechainfile",
    "sslprotocol",
    "sslhonorcipherorder",
    "sslsessioncache",
    "sslsessioncachetimeout",
    "sslsessiontickets",
    "sslcompression",
    "sslverifydepth",
    "sslcacertificatefile",
    "protocols",
    "remoteipproxyprotocol",
    "remoteipproxyprotocolexceptions",
    "sslproxyengine",
    "nokeepalive",
    "logformat",
    "define",
    "defaultruntimedir",
    "typesconfig",
    "addtype",
    "traceenable",
    "authmerging",
    "options",
    "allowencodedslashes",
    "startservers",
    "maxrequestworkers",
    "threadsperchild",
    "loglevel",
];

const HARMLESS: &[&str] = &[
    "options-ssl-apache.conf",
    "mime.types",
    "ports.conf",
    "security.conf",
    "charset.conf",
    "other-vhosts-access-log.conf",
];

/// Tells of every directive in the virtual host, and around it, that has not been told.
pub(super) fn tell(work: &mut Work, host: &Host<'_>) {
    let around = host.tree.iter().filter(|_| host.block.is_some()).filter(|one| one.name != "virtualhost");
    for one in around.chain(host.own) {
        directive(work, one, host);
        if matches!(one.name.as_str(), "location" | "locationmatch" | "proxy" | "proxymatch") {
            for inner in one.inside() {
                directive(work, inner, host);
            }
        }
    }
    let main = host.main().map(|pass| pass.target.clone());
    for pass in &host.passes {
        if main.as_ref().is_some_and(|main| !pass.target.is_same(main)) {
            work.dropped(
                &pass.directive.place,
                format!("{}: is not the catcher's, and only the catcher is forwarded to", pass.outside),
            );
        }
    }
}

fn directive(work: &mut Work, one: &Directive, host: &Host<'_>) {
    let at = &one.place;
    if let Some(reason) = &one.unread {
        let path = one.arg(0);
        let name = path.rsplit('/').next().unwrap_or_default();
        if HARMLESS.contains(&name) || path.contains("mods-enabled") {
            work.dropped(at, format!("Include {path}: not read, and by its name not needed ({reason})"));
        } else {
            work.open(
                at,
                format!("Include {path}: not read, so what it allows or denies is not known ({reason}); put its text in its place, and convert again"),
            );
        }
        return;
    }
    match one.name.as_str() {
        "proxypass" if one.args.last().is_some_and(|last| last == "!") => not_forwarded(work, one),
        "proxypassmatch" if one.args.last().is_some_and(|last| last == "!") => not_forwarded(work, one),
        "requestheader" => request_header(work, one),
        "sslverifyclient" if one.arg(0).eq_ignore_ascii_case("none") => {}
        "sslverifyclient" => tls::verify_client(work, one, host),
        name if DONE.contains(&name) => {}
        "header" if one.args.iter().any(|arg| arg.eq_ignore_ascii_case("Strict-Transport-Security")) => {
            work.hsts(at, one.args.iter().find(|arg| arg.to_ascii_lowercase().contains("max-age")).map_or("", String::as_str));
        }
        "header" => work.dropped(at, "Header: answers get no headers of yours"),
        "sslrequire" => work.open(at, "SSLRequire: kept people out, and has no counterpart"),
        "secruleengine" if is_one_of(one.arg(0), &["off", "detectiononly"]) => {
            work.dropped(at, "SecRuleEngine: kept nobody out");
        }
        "secruleengine" => work.open(at, "SecRuleEngine: kept out what its rules say, and has no counterpart"),
        "secrule" | "secaction" if one.args.iter().any(|arg| is_denial(arg)) => {
            work.open(at, format!("{}: kept some requests out, and has no counterpart", one.name));
        }
        "luahooklog" => work.dropped(at, "LuaHookLog: has no counterpart"),
        name if name.starts_with("luahook") => {
            work.open(at, format!("{name}: a script may have kept people out, and has no counterpart"));
        }
        name if name.starts_with("redirect") && is_refusal(one) => {
            work.open(at, format!("{name} {}: kept people out there, and has no counterpart; if nothing of the catcher is there, remove it and convert again", one.arg(0)));
        }
        "sslciphersuite" | "sslopensslconfcmd" => work.dropped(
            at,
            format!("{}: the gate has its own choice, of those that keep past connections secret and are not broken", one.name),
        ),
        "sslpassphrasedialog" => work.dropped(
            at,
            "SSLPassPhraseDialog: a key must not be encrypted here; write one that is not with openssl pkey, for mailwarden only",
        ),
        name if name.contains("stapling") => {
            work.dropped(at, format!("{name}: no OCSP answers are sent along; browsers do not need them"));
        }
        name if name.starts_with("ssl") => work.dropped(at, format!("{name}: has no counterpart")),
        "errorlog" => work.changed(at, "ErrorLog: what is not an access line goes to standard error"),
        "documentroot" | "directoryindex" | "alias" => work.dropped(at, format!("{}: no files are served", one.name)),
        "redirect" | "redirectmatch" | "redirectpermanent" | "redirecttemp" => {
            work.dropped(at, "Redirect: nothing is redirected")
        }
        name => work.dropped(at, format!("{name}: has no counterpart")),
    }
}

fn not_forwarded(work: &mut Work, one: &Directive) {
    let path = if one.args.len() > 1 { one.arg(0) } else { "this location" };
    if path.starts_with("/.well-known/") {
        work.dropped(
            &one.place,
            format!("{path}: was not forwarded; what the catcher has no route for is answered here"),
        );
    } else {
        work.open(
            &one.place,
            format!("{path}: was not forwarded, and is now; if nothing of the catcher is there, remove that line and convert again"),
        );
    }
}

fn is_one_of(text: &str, wanted: &[&str]) -> bool {
    wanted.iter().any(|one| one.eq_ignore_ascii_case(text))
}

/// Whether the actions of a rule of ModSecurity end a request.
fn is_denial(actions: &str) -> bool {
    let is_it =
        |action: &str| ["deny", "block", "drop", "redirect", "proxy"].iter().any(|end| action.trim().starts_with(end));
    actions.to_ascii_lowercase().split(',').any(is_it)
}

/// Whether a redirect is none, but an error.
pub(super) fn is_refusal(one: &Directive) -> bool {
    one.arg(0).eq_ignore_ascii_case("gone") || matches!(one.arg(0).as_bytes(), [b'4' | b'5', _, _])
}

fn request_header(work: &mut Work, one: &Directive) {
    let name = one.arg(1).to_ascii_lowercase();
    let is_gone = one.arg(0).eq_ignore_ascii_case("unset");
    if name.starts_with("x-forwarded-")
        || matches!(name.as_str(), "x-real-ip" | "upgrade" | "connection" | "accept-encoding")
        || is_gone
    {
        return;
    }
    match name.as_str() {
        "authorization" => work.dropped(&one.place, "RequestHeader Authorization: for a catcher with a login of its own write upstream.username and upstream.password_file"),
        "host" => work.wrong(&one.place, "RequestHeader Host: Host is kept now, as people ask for it"),
        _ => work.dropped(&one.place, format!("RequestHeader {}: the catcher gets no headers of yours", one.arg(1))),
    }
}
