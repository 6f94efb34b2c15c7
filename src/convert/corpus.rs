//! Files as people write them, in `tests/data/convert`, each with what it becomes beside it.
//!
//! `UPDATE_GOLDEN=1 cargo test corpus` writes what comes out; then read what changed.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::crontab::Asked;
use super::folder::Folder;
use super::{Converted, Fault, apache, crontab, nginx};
use crate::config::{self, Source};

fn corpus(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/convert").join(kind);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_none_or(|extension| extension != "expected"))
        .collect();
    files.sort();
    assert!(files.len() >= 10, "{kind}: {}", files.len());
    files
}

/// A first comment of `convert: --server NAME` is a flag.
fn flag(content: &str) -> Option<&str> {
    content.lines().next()?.split_once("convert: --server ").map(|(_, name)| name.trim())
}

fn convert(kind: &str, path: &Path) -> Result<Converted, Fault> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let (mut folder, content) = Folder::open(path).unwrap();
    match kind {
        "nginx" => nginx::convert(name, &content, Some(&mut folder), flag(&content)),
        "apache" => apache::convert(name, &content, Some(&mut folder), flag(&content)),
        _ => {
            let asked = Asked { zone: Some("Europe/Helsinki"), now: "2026-11-24T12:00:00Z".parse().unwrap() };
            crontab::convert(name, &content, &asked)
        }
    }
}

/// Exit code, configuration and notes, as one text.
fn told(converted: &Result<Converted, Fault>) -> String {
    match converted {
        Ok(converted) => {
            let notes: Vec<String> = converted.notes.iter().map(|note| format!("{note}\n")).collect();
            format!("exit {}\n{}\n{}", i32::from(converted.is_open()), converted.draft.toml(), notes.concat())
        }
        Err(fault) => format!("exit 1\n\n{fault}\n"),
    }
}

fn compare(kind: &str) {
    let mut wrong = Vec::new();
    for path in corpus(kind) {
        let converted = convert(kind, &path);
        // Folders of the machine are in the names of included files.
        let folder = format!("{}/", path.parent().unwrap().display());
        let found = told(&converted).replace(&folder, "");
        let golden = path.with_file_name(format!("{}.expected", path.file_name().unwrap().to_str().unwrap()));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &found).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{}\n--- expected\n{expected}\n--- found\n{found}", path.display()));
        }
        if let Ok(converted) = &converted {
            loads(&path, &converted.draft.toml());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The real loader takes it, from a real file.
fn loads(path: &Path, toml: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mailwarden.toml");
    fs::write(&file, toml).unwrap();
    let source = Source { path: Some(file), ..Source::default() };
    match config::load(&source) {
        Ok(_) => {}
        Err(errors) => panic!("{}: {errors}\n{toml}", path.display()),
    }
}

#[test]
fn nginx_files_become_what_is_written_beside_them() {
    compare("nginx");
}

#[test]
fn apache_files_become_what_is_written_beside_them() {
    compare("apache");
}

#[test]
fn crontabs_become_what_is_written_beside_them() {
    compare("crontab");
}

/// Directives of one kind of file, put together by chance, open blocks closed at the end.
fn pieces(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::collection::vec(proptest::sample::select(pieces), 0..14)
}

const NGINX: &[&str] = &[
    "server {",
    "location / {",
    "location = /x {",
    "location ~ ^/y {",
    "location /mail/ {",
    "}",
    "if ($request_method = DELETE) {",
    "limit_except GET {",
    "listen 80;",
    "listen [::]:8080 ipv6only=off;",
    "listen 443 ssl;",
    "listen a:b ssl;",
    "listen 81 proxy_protocol;",
    "ssl on;",
    "ssl_certificate a.pem; ssl_certificate_key '';",
    "ssl_certificate a.pem; ssl_certificate_key /b;",
    "ssl_protocols TLSv1.3;",
    "ssl_verify_client on; ssl_client_certificate /ca;",
    "add_header Strict-Transport-Security max-age=999999999999999999;",
    "add_header Strict-Transport-Security \"max-age=5; preload\";",
    "if ($scheme = http) { return 301 https://$host:99999$request_uri; }",
    "server { listen 82; return 301 https://$host:8443$request_uri; }",
    "set_real_ip_from 10.0.0.1;",
    "listen unix:/x;",
    "listen a:b;",
    "server_name a.dev *.dev _;",
    "auth_basic \"a\u{1}b\";",
    "auth_basic off;",
    "auth_basic_user_file x;",
    "auth_basic_user_file '';",
    "proxy_pass http://127.0.0.1:1080;",
    "proxy_pass http://u/a//b;",
    "proxy_pass https://x;",
    "proxy_pass $x;",
    "set $x http://y:1080;",
    "upstream u { server 127.0.0.1:1080; }",
    "allow 10.0.0.0/8;",
    "allow all;",
    "allow x;",
    "deny all;",
    "satisfy any;",
    "return 403;",
    "client_max_body_size 99999g;",
    "keepalive_timeout 9999y;",
    "proxy_read_timeout 1ms;",
    "set_real_ip_from x;",
    "set_real_ip_from unix:;",
    "access_log off;",
    "access_log /x y;",
    "return 200;",
    "proxy_set_header Host $host;",
    "proxy_set_header Upgrade x;",
    "include x;",
];

const APACHE: &[&str] = &[
    "<VirtualHost *:80 [::1]:81 x>",
    "<VirtualHost _default_>",
    "</VirtualHost>",
    "<Location />",
    "<Location /mail>",
    "</Location>",
    "<Proxy *>",
    "</Proxy>",
    "<RequireAll>",
    "</RequireAll>",
    "<RequireAny>",
    "</RequireAny>",
    "<LimitExcept GET>",
    "</LimitExcept>",
    "Require valid-user",
    "Require user \"a b\" a a",
    "Require user",
    "Require ip 10 x",
    "Require ip 10.0.0.0/8",
    "Require all granted",
    "Require all denied",
    "Require local",
    "Order allow,deny",
    "Allow from all",
    "Allow from 10",
    "Deny from all",
    "Satisfy Any",
    "AuthType Basic",
    "AuthName x",
    "AuthUserFile x",
    "AuthUserFile ''",
    "ProxyPass / http://127.0.0.1:1080/",
    "ProxyPass /x http://x:1080/y",
    "ProxyPassMatch ^/(.*) http://x/$1",
    "RewriteRule ^ - [F]",
    "RewriteRule ^/(.*) ws://x:1080/$1 [P]",
    "RewriteCond %{REQUEST_METHOD} DELETE",
    "ServerName a.dev:80",
    "ServerAlias *.b",
    "SSLEngine on",
    "SSLCertificateFile a.pem",
    "SSLCertificateKeyFile /b",
    "SSLProtocol -all +TLSv1.3",
    "SSLVerifyClient require",
    "SSLCACertificateFile /ca",
    "RemoteIPProxyProtocol On",
    "RemoteIPTrustedProxy 10.0.0.1",
    "Header always set Strict-Transport-Security max-age=1",
    "</VirtualHost>\n<VirtualHost *:82>\nRedirect / https://a.dev:8443/",
    "LimitRequestBody 9999999999999",
    "KeepAliveTimeout 99999999",
    "RemoteIPTrustedProxy 10 x",
    "Listen x",
    "Include x",
];

proptest! {
    /// A key at a time is checked where it is set; what two of them may not do together is told by the command.
    #[test]
    fn whatever_is_put_together_ends_in_a_fault_or_in_what_the_loader_takes(
        nginx in pieces(NGINX),
        apache in pieces(APACHE),
    ) {
        let opened = nginx.iter().filter(|piece| piece.ends_with('{')).count();
        let closed = nginx.iter().filter(|piece| **piece == "}").count();
        let nginx = format!("{}{}", nginx.join(" "), "}".repeat(opened.saturating_sub(closed)));
        // The usual way of it around, or there would be nothing but faults.
        let whole = format!("server {{ location / {{ proxy_pass http://127.0.0.1:1080; }} {nginx} }}");
        let host = format!("<VirtualHost *:8080>\nProxyPass / http://127.0.0.1:1080/\n{}\n</VirtualHost>", apache.join("\n"));
        for converted in [
            super::nginx::convert("x", &nginx, None, None),
            super::nginx::convert("x", &whole, None, None),
            super::apache::convert("x", &apache.join("\n"), None, None),
            super::apache::convert("x", &host, None, None),
        ].into_iter().flatten() {
            let toml = converted.draft.toml();
            prop_assert!(config::accepts_all(&toml).is_ok(), "{}\n{:?}", toml, config::accepts_all(&toml));
        }
    }
}
