//! Whatever a catcher answers, and however it is looked at: nothing of a mail runs.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use proptest::prelude::*;

use super::*;

const MAIL: [Operation; 5] = [
    Operation::Message(Format::Html),
    Operation::Message(Format::Plain),
    Operation::Message(Format::Source),
    Operation::Message(Format::Eml),
    Operation::Part,
];
const DATA_ROUTES: [Operation; 7] = [
    Operation::List,
    Operation::Message(Format::Json),
    Operation::Delete,
    Operation::Clear,
    Operation::Quit,
    Operation::Data,
    Operation::Change,
];

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        fields.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    fields
}

fn dressed(operation: Operation, shown: Shown, remote: RemoteContent, lines: &[(&str, &str)]) -> HeaderMap {
    let mut fields = fields(lines);
    dress(&mut fields, operation, shown, remote);
    fields
}

fn policies(fields: &HeaderMap) -> Vec<&str> {
    fields.get_all(header::CONTENT_SECURITY_POLICY).iter().map(|line| line.to_str().unwrap()).collect()
}

/// What stands behind a directive's name, if it is there.
fn directive<'a>(policy: &'a str, name: &str) -> Option<&'a str> {
    policy.split("; ").find_map(|one| match one.split_once(' ') {
        Some((own, rest)) if own == name => Some(rest),
        None if one == name => Some(""),
        _ => None,
    })
}

#[test]
fn only_what_the_page_reaches_into_has_its_origin() {
    for (operation, shown, has_origin) in [
        (Operation::Message(Format::Html), Shown::Anyhow, true),
        (Operation::Message(Format::Html), Shown::AsDocument, false),
        (Operation::Message(Format::Plain), Shown::Anyhow, true),
        (Operation::Message(Format::Plain), Shown::AsDocument, false),
        (Operation::Message(Format::Source), Shown::Anyhow, false),
        (Operation::Message(Format::Eml), Shown::Anyhow, false),
        (Operation::Part, Shown::Anyhow, false),
    ] {
        for remote in [RemoteContent::Allow, RemoteContent::Block] {
            let fields = dressed(operation, shown, remote, &[]);
            let sandbox = directive(policies(&fields)[0], "sandbox").unwrap().to_owned();
            assert_eq!(sandbox.contains("allow-same-origin"), has_origin, "{operation:?} {shown:?}: {sandbox}");
        }
    }
}

#[test]
fn blocked_means_that_no_source_is_another_server() {
    for operation in MAIL {
        let fields = dressed(operation, Shown::Anyhow, RemoteContent::Block, &[]);
        for one in policies(&fields)[0].split("; ").skip(1) {
            let (name, sources) = one.split_once(' ').unwrap();
            let local = ["'none'", "'self'", "data:", "'unsafe-inline'"];
            assert!(sources.split(' ').all(|source| local.contains(&source)), "{operation:?} {name}: {sources}");
        }
        assert_eq!(fields[X_DNS_PREFETCH_CONTROL], "off");
    }
}

#[test]
fn the_page_runs_its_own_scripts_and_frames_nothing_else() {
    let fields = dressed(Operation::Page, Shown::Anyhow, RemoteContent::Allow, &[("x-frame-options", "SAMEORIGIN")]);
    let [policy] = policies(&fields)[..] else { panic!("{fields:?}") };
    for (name, sources) in [
        ("script-src", "'self'"),
        ("frame-src", "'self'"),
        ("frame-ancestors", "'self'"),
        ("base-uri", "'self'"),
        ("object-src", "'none'"),
        ("worker-src", "'none'"),
    ] {
        assert_eq!(directive(policy, name), Some(sources), "{name}");
    }
    assert_eq!(directive(policy, "sandbox"), None, "it is the program");
}

#[test]
fn another_catchers_page_is_framed_by_nobody_and_blocked_names_no_other_server() {
    let policy = |remote| policies(&dressed(Operation::App, Shown::Anyhow, remote, &[]))[0].to_owned();
    for remote in [RemoteContent::Allow, RemoteContent::Block] {
        assert_eq!(directive(&policy(remote), "frame-ancestors"), Some("'self'"));
        assert_eq!(directive(&policy(remote), "script-src"), None, "its scripts are not known");
    }
    for name in ["img-src", "style-src", "font-src", "media-src", "frame-src"] {
        assert_eq!(directive(&policy(RemoteContent::Allow), name), None);
        let blocked = policy(RemoteContent::Block);
        let sources = directive(&blocked, name).unwrap();
        assert!(!sources.split(' ').any(|source| source.contains('*') || source.starts_with("http")), "{sources}");
    }
}

#[test]
fn a_source_without_a_type_is_text_and_not_what_a_browser_makes_of_it() {
    for (lines, expected) in
        [(&[][..], "text/plain;charset=utf-8"), (&[("content-type", "message/rfc822")], "message/rfc822")]
    {
        let fields = dressed(Operation::Message(Format::Source), Shown::Anyhow, RemoteContent::Allow, lines);
        assert_eq!(fields.get(header::CONTENT_TYPE).unwrap(), expected);
    }
}

#[test]
fn what_an_unknown_catcher_answers_and_what_a_named_one_is_made_of_stay_as_they_are() {
    let before = [("content-type", "text/html"), ("refresh", "1"), ("cache-control", "max-age=60")];
    for operation in [Operation::Other, Operation::Asset] {
        let after = dressed(operation, Shown::Anyhow, RemoteContent::Block, &before);
        assert_eq!(after, fields(&before), "{operation:?}");
    }
}

#[test]
fn a_catcher_that_lets_nobody_frame_it_is_framed_by_nobody() {
    for (value, denied) in [("DENY", true), ("sameorigin, deny", true), ("SAMEORIGIN", false)] {
        let fields = dressed(Operation::Page, Shown::Anyhow, RemoteContent::Allow, &[("x-frame-options", value)]);
        assert_eq!(policies(&fields).contains(&"frame-ancestors 'none'"), denied, "{value}");
    }
}

#[test]
fn what_would_run_as_a_script_of_the_pages_origin_is_text() {
    for (kind, becomes_text) in [
        ("text/javascript;charset=utf8", true),
        ("application/X-ECMAScript", true),
        ("text/html;charset=x, text/javascript", true),
        ("multipart/x-mixed-replace;boundary=b", true),
        ("text/jscript", true),
        ("application/postscript;charset=utf8", false),
        ("text/html;charset=utf8", false),
        ("application/pdf;charset=utf8", false),
    ] {
        for operation in [Operation::Part, Operation::Message(Format::Plain)] {
            let lines = [("content-type", kind), ("content-disposition", "attachment; filename=\"a.js\"")];
            let fields = dressed(operation, Shown::Anyhow, RemoteContent::Allow, &lines);
            let want = if becomes_text { "text/plain;charset=utf-8" } else { kind };
            assert_eq!(fields.get_all(header::CONTENT_TYPE).iter().collect::<Vec<_>>(), [want]);
            assert_eq!(fields[header::CONTENT_DISPOSITION], "attachment; filename=\"a.js\"");
        }
    }
}

#[test]
fn mail_never_becomes_a_service_worker_and_a_document_of_its_own_is_known() {
    let asked = |operation, lines: &[(&str, &str)]| admit(operation, &fields(lines));
    let worker = [("service-worker", "script")];
    for operation in MAIL.into_iter().chain(DATA_ROUTES).chain([Operation::Page]) {
        assert_eq!(asked(operation, &worker), Err(Reject::ServiceWorker), "{operation:?}");
    }
    for operation in [Operation::Asset, Operation::Other, Operation::Tunnel] {
        assert_eq!(asked(operation, &worker), Ok(Shown::Anyhow), "{operation:?}");
    }
    let document = [("sec-fetch-dest", "document")];
    assert_eq!(asked(Operation::Message(Format::Plain), &document), Ok(Shown::AsDocument));
    assert_eq!(asked(Operation::Message(Format::Plain), &[("sec-fetch-dest", "iframe")]), Ok(Shown::Anyhow));
    assert_eq!(asked(Operation::Page, &document), Ok(Shown::Anyhow));
}

/// Fields that a catcher, or whatever stands before it, could send: those that matter here, and others.
fn upstream_fields() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let name = prop::sample::select(vec![
        "content-security-policy",
        "content-security-policy-report-only",
        "x-frame-options",
        "content-type",
        "cache-control",
        "referrer-policy",
        "x-content-type-options",
        "cross-origin-resource-policy",
        "refresh",
        "link",
        "service-worker-allowed",
        "x-other",
    ]);
    let value = prop_oneof![
        prop::sample::select(vec![
            "sandbox allow-scripts allow-same-origin",
            "script-src *; sandbox",
            "DENY",
            "SAMEORIGIN",
            "text/javascript",
            "text/html;charset=utf-8, application/ecmascript",
            "public, max-age=86400",
            "unsafe-url",
            "cross-origin",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,30}",
    ];
    prop::collection::vec((name, value), 0..12)
}

proptest! {
    /// However the catcher answers, nothing in a mail runs, is kept, or is told where it was read; and no policy of
    /// the catcher's own is lost.
    #[test]
    fn every_answer_with_mail_in_it_is_sandboxed(
        operation in prop::sample::select(MAIL.to_vec()),
        as_document: bool,
        block: bool,
        theirs in upstream_fields(),
    ) {
        let lines: Vec<(&str, &str)> = theirs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let before = fields(&lines);
        let shown = if as_document { Shown::AsDocument } else { Shown::Anyhow };
        let remote = if block { RemoteContent::Block } else { RemoteContent::Allow };
        let after = dressed(operation, shown, remote, &lines);

        let policies = policies(&after);
        let own: Vec<&str> = policies
            .iter()
            .copied()
            .filter(|line| line.starts_with("sandbox") && line.ends_with("; frame-ancestors 'self'"))
            .collect();
        prop_assert_eq!(own.len(), 1, "{:?}", policies);
        let tokens: Vec<&str> = directive(own[0], "sandbox").unwrap().split_whitespace().collect();
        let left = ["allow-same-origin", "allow-popups", "allow-popups-to-escape-sandbox"];
        prop_assert!(tokens.iter().all(|token| left.contains(token)), "{:?}", tokens);
        prop_assert_eq!(directive(own[0], "default-src"), Some("'none'"));
        prop_assert_eq!(directive(own[0], "form-action"), Some("'none'"));
        prop_assert!(["script-src", "frame-src", "object-src", "connect-src"].iter().all(|name| directive(own[0], name).is_none()));
        for line in before.get_all(header::CONTENT_SECURITY_POLICY) {
            prop_assert!(policies.contains(&line.to_str().unwrap()), "{:?} is lost", line);
        }

        for (name, value) in [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        ] {
            prop_assert_eq!(after.get_all(&name).iter().collect::<Vec<_>>(), [value], "{}", name);
        }
        prop_assert!(after.get_all(header::CONTENT_TYPE).iter().all(|value| !is_program(value.as_bytes())));
        for name in [header::REFRESH, header::LINK, SERVICE_WORKER_ALLOWED] {
            prop_assert!(!after.contains_key(&name), "{}", name);
        }
        prop_assert_eq!(after.get("x-other"), before.get("x-other"));
    }

    #[test]
    fn data_and_the_page_keep_the_catchers_policies_and_have_ours(
        operation in prop::sample::select([&DATA_ROUTES[..], &[Operation::Page]].concat()),
        theirs in upstream_fields(),
    ) {
        let lines: Vec<(&str, &str)> = theirs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let before = fields(&lines);
        let after = dressed(operation, Shown::Anyhow, RemoteContent::Allow, &lines);
        let ours = if operation == Operation::Page { &PAGE } else { &DATA };
        let policies: Vec<&HeaderValue> = after.get_all(header::CONTENT_SECURITY_POLICY).iter().collect();
        prop_assert!(policies.contains(&ours));
        prop_assert!(before.get_all(header::CONTENT_SECURITY_POLICY).iter().all(|line| policies.contains(&line)));
        prop_assert_eq!(&after[header::CACHE_CONTROL], "no-store");
    }
}
