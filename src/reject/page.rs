//! What every page of the gate's own looks like, and what it says of itself.

use http::header::{self, HeaderMap, HeaderValue};

/// Nothing from outside, and nothing that runs: the one style is the page's own, known by its hash. A form may be sent
/// to us alone.
const POLICY: &str = "default-src 'none'; style-src 'sha256-wglAM82EnfjquIuwFkMiTHndi4FA4MGUnU/YSWKcp+o='; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'self'";

/// Says of an answer what every page of ours says of itself.
pub(crate) fn dress(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    headers.insert(header::CONTENT_SECURITY_POLICY, const { HeaderValue::from_static(POLICY) });
}

/// A card with a title and content that is written already; `foot` is text that stands below it, before our name.
pub(crate) fn shell(title: &str, content: &str, foot: &str) -> String {
    let (title, foot) = (escape(title), escape(foot));
    let between = if foot.is_empty() { "" } else { " &middot; " };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} &middot; Mailwarden</title>\n\
         <style>{STYLE}</style>\n<main>\n{content}<p class=\"foot\">{foot}{between}Mailwarden</p>\n</main>\n</html>\n"
    )
}

/// `text` for a page: no letter of it is anything but text.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// Its hash is in [`POLICY`].
const STYLE: &str = "\
:root{color-scheme:light dark;--text:#1f2328;--dim:#59636e;--back:#f6f8fa;--card:#fff;--line:#d1d9e0;--field:#fff;\
--act:#0969da;--act-text:#fff;--fault:#b42318;--fault-back:#fef3f2;--done:#1a7f37;--done-back:#f0fbf3}
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--dim:#9198a1;--back:#0d1117;--card:#151b23;--line:#3d444d;\
--field:#0d1117;--act:#4493f8;--act-text:#0d1117;--fault:#ff9492;--fault-back:#2c1618;--done:#6fdd8b;--done-back:#12261e}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;font:16px/1.5 system-ui,sans-serif;\
color:var(--text);background:var(--back)}
main{width:100%;max-width:24rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:12px}
h1{font-size:1.375rem;line-height:1.25;margin:0}
p{margin:0}
.realm{margin:.25rem 0 1.25rem;color:var(--dim);overflow-wrap:anywhere}
.realm strong{color:var(--text)}
.say{margin:0 0 1rem;padding:.625rem .75rem;border-radius:8px;font-size:.9375rem}
.fault{color:var(--fault);background:var(--fault-back)}
.done{color:var(--done);background:var(--done-back)}
label{display:block;margin:0 0 .25rem;font-size:.9375rem;font-weight:600}
input:not([type=hidden]){display:block;width:100%;margin:0 0 1rem;padding:.5rem .75rem;font:inherit;color:inherit;\
background:var(--field);border:1px solid var(--line);border-radius:8px}
button,.button{display:block;width:100%;padding:.5625rem 1rem;font:inherit;font-weight:600;text-align:center;\
text-decoration:none;color:var(--act-text);background:var(--act);border:1px solid transparent;border-radius:8px;\
cursor:pointer}
.quiet{margin-top:.75rem;color:var(--text);background:transparent;border-color:var(--line)}
input:focus-visible,button:focus-visible,.button:focus-visible{outline:2px solid var(--act);outline-offset:2px}
.todo{margin:.75rem 0 1.25rem;overflow-wrap:anywhere}
.foot{margin-top:1.5rem;font-size:.8125rem;color:var(--dim);text-align:center}
";

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_policy_lets_in_this_style_and_nothing_else() {
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("style-src 'sha256-{hash}';")), "it is {hash}");
        assert!(!POLICY.contains("unsafe"));
        assert!(shell("t", "", "").contains(&format!("<style>{STYLE}</style>")), "a browser hashes what is in between");
    }
}
