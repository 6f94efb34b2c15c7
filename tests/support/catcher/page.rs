//! The inbox page and its files. The page is ours; its structure is the real one's, because a proxy that helps the
//! page along has to find its way around in it.

use super::options::Options;

/// When the files were written, as far as anybody asks.
pub(crate) const LAST_MODIFIED: &str = "Sun, 01 Mar 2026 12:00:00 GMT";

const INDEX: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/mailcatcher.js");
const STYLE: &str = include_str!("page/mailcatcher.css");
const ICON: &[u8] = include_bytes!("page/favicon.ico");

/// The page, with its base below the prefix, and without Quit when that is forbidden.
pub(crate) fn index(options: &Options) -> String {
    let base = options.http_path.trim_end_matches('/');
    let quit =
        if options.no_quit { "" } else { "<li class=\"quit\"><a href=\"#\" title=\"Quit MailCatcher\">Quit</a></li>" };
    INDEX.replace("{{BASE}}", base).replace("{{QUIT}}", quit)
}

/// A static file's type and bytes.
pub(crate) fn asset(path: &[u8]) -> Option<(&'static str, &'static [u8])> {
    match path {
        b"/assets/mailcatcher.js" => Some(("application/javascript;charset=utf-8", SCRIPT.as_bytes())),
        b"/assets/mailcatcher.css" => Some(("text/css;charset=utf-8", STYLE.as_bytes())),
        b"/favicon.ico" => Some(("image/vnd.microsoft.icon", ICON)),
        _ => None,
    }
}
