//! Where a script may be added to a page that is known, and nowhere else.
//!
//! A page is known by what MailCatcher 0.7 to 0.10 have in common: the class of its root element, and its one script. The
//! script of ours goes right before the end of the head, if that is written there, once, and nothing can hide it.

/// How the root element begins.
const ROOT: &[u8] = b"<html class=\"mailcatcher\"";
/// How the address of the page's own script ends, with what follows it.
const OWN_SCRIPT: &[u8] = b"assets/mailcatcher.js\"></script>";
/// The end of the head.
const HEAD_END: &[u8] = b"</head>";
/// What could have made the end of a head mean something else.
const HIDING: [&[u8]; 6] = [b"<!--", b"<![cdata[", b"<template", b"<textarea", b"<noscript", b"<style"];

/// The page with an element for the script at `address`, or none if the page is not one that is known. `address` is a
/// path of this server's own.
#[must_use]
pub fn enhanced(page: &[u8], address: &str) -> Option<Vec<u8>> {
    let at = spot(page)?;
    // A prefix is canonical, but may hold what an attribute has to escape.
    let address = crate::reject::page::escape(address);
    let element = format!("<script src=\"{address}\" defer></script>");
    let (before, after) = page.split_at_checked(at)?;
    Some([before, element.as_bytes(), after].concat())
}

/// Where the element goes.
fn spot(page: &[u8]) -> Option<usize> {
    let lower = page.to_ascii_lowercase();
    let at = only(&lower, HEAD_END)?;
    let head = lower.get(..at)?;
    only(head, ROOT)?;
    only(head, OWN_SCRIPT)?;
    let is_plain = HIDING.iter().all(|word| find(head, word).is_none());
    // An element of the head has just ended there.
    (is_plain && head.trim_ascii_end().ends_with(b">")).then_some(at)
}

/// Where `word` is, if it is there once.
fn only(text: &[u8], word: &[u8]) -> Option<usize> {
    let at = find(text, word)?;
    find(text.get(at + word.len()..)?, word).is_none().then_some(at)
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A page of MailCatcher's, as far as it matters here.
    pub(in crate::page) const PAGE: &str = "<!DOCTYPE html>\n<html class=\"mailcatcher\">\n<head>\n  \
        <title>MailCatcher</title>\n  <base href=\"/\">\n  <link href=\"favicon.ico\" rel=\"icon\">\n  \
        <script src=\"/assets/mailcatcher.js\"></script>\n  <link rel=\"stylesheet\" href=\"/assets/mailcatcher.css\">\n\
        </head>\n<body>\n<!-- end -->\n</body>\n</html>\n";

    const ELEMENT: &str = r#"<script src="/.mailwarden/live.js" defer></script>"#;

    fn enhanced(page: &[u8]) -> Option<Vec<u8>> {
        super::enhanced(page, "/.mailwarden/live.js")
    }

    #[test]
    fn the_script_goes_before_the_end_of_the_head_and_nothing_else_changes() {
        let wanted = PAGE.replace("</head>", &format!("{ELEMENT}</head>"));
        assert_eq!(enhanced(PAGE.as_bytes()), Some(wanted.into_bytes()));
        assert!(enhanced(PAGE.replace("</head>", "</HEAD>").as_bytes()).is_some());
    }

    #[test]
    fn an_address_stays_inside_its_attribute() {
        let page = super::enhanced(PAGE.as_bytes(), "/a'&\"><b>/live.js").unwrap_or_default();
        let page = String::from_utf8_lossy(&page);
        assert!(page.contains(r#"src="/a&#39;&amp;&quot;&gt;&lt;b&gt;/live.js" defer"#), "{page}");
    }

    #[test]
    fn a_page_that_is_not_known_is_none() {
        for (from, to) in [
            ("class=\"mailcatcher\"", "class=\"other\""),
            ("<html class=\"mailcatcher\">", "<html>"),
            ("assets/mailcatcher.js", "assets/other.js"),
            ("</head>", ""),
            ("</head>", "</head></head>"),
            ("</head>", "<!-- </head>"),
            ("</head>", "<style> </head>"),
            ("</head>", "text </head>"),
            ("<body>", "<body><script>'</head>'</script>"),
            ("<title>MailCatcher", "<title><!-- "),
        ] {
            let page = PAGE.replace(from, to);
            assert_ne!(page, PAGE, "{from}");
            assert_eq!(enhanced(page.as_bytes()), None, "{page}");
        }
        assert_eq!(enhanced(b""), None);
    }

    proptest! {
        #[test]
        fn what_comes_out_is_what_went_in_with_the_element_in_one_place(
            cuts in prop::collection::vec((0usize..400, 0usize..40, "[ -~]{0,12}|</head>|<!--|<html class=\"mailcatcher\">"), 0..4),
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut page = PAGE.as_bytes().to_vec();
            for (at, length, put) in &cuts {
                let at = (*at).min(page.len());
                let end = (at + length).min(page.len());
                page.splice(at..end, put.bytes());
            }
            page.extend(bytes);
            if let Some(out) = enhanced(&page) {
                let at = find(&out, ELEMENT.as_bytes()).unwrap_or(out.len());
                let rest = [out.get(..at).unwrap_or_default(), out.get(at + ELEMENT.len()..).unwrap_or_default()].concat();
                prop_assert_eq!(rest, page);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(enhanced(&bytes), None);
        }
    }
}
