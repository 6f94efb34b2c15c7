//! What kept people out must not vanish with exit 0: each way to do so that is known, and what looks like one and is none.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::{apache, nginx};

/// What keeps people out, in a place where it says something of the catcher.
#[test]
fn whatever_is_dropped_that_kept_people_out_makes_it_fail() {
    let nginx = |inside: &str| {
        format!(
            "server {{ listen 8080; auth_basic x; auth_basic_user_file /x; location / {{ proxy_pass http://127.0.0.1:1080; {inside} }} }}"
        )
    };
    assert!(!nginx::convert("x", &nginx(""), None, None).unwrap().is_open());
    for inside in [
        "allow 10.0.0.0/8; deny all;",
        "deny 10.0.0.1;",
        "satisfy any; allow 10.0.0.0/8; deny all;",
        "satisfy any; deny 10.0.0.1; allow 10.0.0.0/8; deny all;",
        "limit_except GET { allow 10.0.0.0/8; deny all; }",
        "auth_basic off;",
        "auth_request /auth;",
        "if ($http_x_token != secret) { return 403; }",
        "include snippets/internal-only.conf;",
        "access_by_lua_block { ngx.exit(403) }",
        "location /messages/ { auth_basic off; proxy_pass http://127.0.0.1:1080; }",
        "location /assets/ { allow all; }",
        "location /x { limit_except GET { deny all; } }",
        "location ~ \\.(source|eml)$ { return 403; }",
        "location = /secret { return 404; }",
        "location = /secret { return 503; }",
        "rewrite ^/messages/(.*)\\.source /403 last;",
        "if ($cookie_token != \"s3cr3t\") { return 302 https://login.dev/; }",
        "if ($cookie_token != \"s3cr3t\") { return https://login.dev/; }",
        "if ($cookie_token != \"s3cr3t\") { return 503; }",
        "if ($cookie_token != \"s3cr3t\") { rewrite ^ https://login.dev/ redirect; }",
        "if ($cookie_token != \"s3cr3t\") { proxy_pass http://login; }",
        "if ($scheme = http) { return 403; }",
        "if ($request_method ~* \"(?i)delete\") { return 403; }",
        "if ($request_method ~ ^DEL) { return 403; }",
        "if ($request_method = GET) { return 403; }",
        "auth_gss on;",
        "ssl_verify_client on;",
        "ssl_verify_client optional; ssl_client_certificate /ca;",
        "auth_jwt_require $ok;",
        "auth_openidc x;",
        "rewrite_by_lua_file /x.lua;",
        "modsecurity on;",
        "modsecurity_rules 'x';",
        "js_access x.check;",
        "auth_basic $realm;",
        "location /messages/ { auth_basic $realm; auth_basic_user_file /x; proxy_pass http://127.0.0.1:1080; }",
        "include ssl.conf;",
        "include snippets/ssl-params.conf;",
        "include snippets/snakeoil.conf;",
    ] {
        assert!(nginx::convert("x", &nginx(inside), None, None).unwrap().is_open(), "{inside}");
    }
    for inside in [
        "if ($scheme = http) { return 301 https://$host$request_uri; }",
        "if ($https = \"\") { rewrite ^ https://mail.dev$request_uri permanent; }",
        "if ($host = mail.dev) { return 301 https://$host$request_uri; }",
        "if ($request_method = DELETE) { return 403; }",
        "if ($request_method !~ ^(GET|HEAD|POST|DELETE)$) { return 444; }",
        "rewrite ^/(.*)$ /mail/$1 break;",
        "auth_basic \"Mail on $hostname\";",
        "auth_delay 1s; auth_gss off; modsecurity off; js_access off;",
    ] {
        assert!(!nginx::convert("x", &nginx(inside), None, None).unwrap().is_open(), "{inside}");
    }
    for address in ["${IP}:8080", "a:b"] {
        let text = nginx("").replace("listen 8080", &format!("listen {address}"));
        assert!(nginx::convert("x", &text, None, None).unwrap().is_open(), "{address}");
    }
    let apache = |inside: &str| {
        format!(
            "<VirtualHost *:8080>\nProxyPass / http://127.0.0.1:1080/\n<Location />\nAuthType Basic\nAuthName x\nAuthUserFile /x\n{inside}\n</Location>\n</VirtualHost>\n"
        )
    };
    assert!(!apache::convert("x", &apache("Require valid-user"), None, None).unwrap().is_open());
    for inside in [
        "Require ip 10.0.0.0/8",
        "Require valid-user\nRequire ip 10.0.0.0/8",
        "Require valid-user\nRequire host example.org",
        "Require all granted",
        "Require group qa",
        "<RequireAll>\nRequire valid-user\nRequire ip 10.0.0.0/8\n</RequireAll>",
        "<RequireAll>\nRequire valid-user\nRequire not ip 10.0.0.1\n</RequireAll>",
        "<RequireNone>\nRequire ip 10.0.0.1\n</RequireNone>",
        "Require valid-user\nOrder deny,allow\nDeny from all\nAllow from 10.0.0.0/8",
        "Require valid-user\nOrder allow,deny\nAllow from all\nDeny from 10.0.0.1",
        "Require valid-user\nOrder allow,deny\nAllow from all\nSatisfy Any",
        "<LimitExcept GET>\nRequire valid-user\n</LimitExcept>",
        "Require valid-user\n<If \"%{HTTP:X-Token} == 'x'\">\nRequire all granted\n</If>",
        "Require valid-user\nInclude conf/internal.conf",
        "Require valid-user\n</Location>\n<Location /messages>\nRequire all granted",
        "Require valid-user\n</Location>\n<Location /messages>\nSatisfy Any\nAllow from all",
        "AuthType Digest\nRequire valid-user",
        "Require valid-user\nAllowMethods POST",
        "Require valid-user\nLuaHookAccessChecker /x.lua check",
        "Require valid-user\nSecRuleEngine On",
        "Require valid-user\nSSLVerifyClient require",
        "Require valid-user\nSecRule REMOTE_ADDR \"!@ipMatch 10.0.0.0/8\" \"id:1,phase:1,deny\"",
        "Require valid-user\n<IfModule !mod_access_compat.c>\nRequire ip 10.0.0.0/8\n</IfModule>",
        "Require valid-user\n<If \"%{HTTP_COOKIE} !~ /s3cr3t/\">\nRedirect / https://login.dev/\n</If>",
        "Require valid-user\n<If \"%{HTTP_COOKIE} !~ /s3cr3t/\">\nRewriteRule ^ https://login.dev/ [R]\n</If>",
        "Require valid-user\nRewriteCond %{REMOTE_ADDR} !^10\nRewriteRule ^ - [F]",
        "Require valid-user\n</Location>\n<Location /messages>\nAllowMethods GET",
        "Require valid-user\n</Location>\n<Location /messages>\nRewriteRule ^ - [F]",
        "Require valid-user\n</Location>\n<Location /messages>\nProxyPass !",
        "Require valid-user\n</Location>\nRedirectMatch 403 \\.source$\n<Location />",
        "Require valid-user\n</Location>\nRedirect 404 /secret\n<Location />",
        "Require valid-user\n</Location>\nRedirect 410 /secret\n<Location />",
        "Require valid-user\n</Location>\nRedirect gone /secret\n<Location />",
        "Require valid-user\n</Location>\nProxyPass /secret !\n<Location />",
        "Require valid-user\n</Location>\nProxyPassMatch \\.source$ !\n<Location />",
        "Require valid-user\n</Location>\nRewriteCond %{REQUEST_METHOD} ^DEL\nRewriteRule ^ - [F]\n<Location />",
        "Require valid-user\n</Location>\nRewriteCond %{HTTP_COOKIE} !s3cr3t\nRewriteRule ^ https://login.dev/ [R]\n<Location />",
        "Require valid-user\n</Location>\nRewriteRule ^/messages/ /403 [PT]\n<Location />",
    ] {
        let inside =
            inside.strip_prefix("AuthType Digest").map_or(inside.to_owned(), |rest| format!("AuthType Digest{rest}"));
        let text = apache(&inside);
        let text = if inside.starts_with("AuthType Digest") { text.replacen("AuthType Basic\n", "", 1) } else { text };
        assert!(apache::convert("x", &text, None, None).unwrap().is_open(), "{inside}");
    }
    for inside in [
        "AllowMethods GET POST HEAD",
        "AllowMethods GET HEAD DELETE",
        "SecRuleEngine Off",
        "SecRuleEngine DetectionOnly",
        "<If \"%{HTTPS} != 'on'\">\nRedirect permanent / https://mail.dev/\n</If>",
        "</Location>\nProxyPass /.well-known/ !\n<Location />",
        "</Location>\nRedirect permanent /old https://mail.dev/\n<Location />",
        "</Location>\nRewriteCond %{HTTPS} off\nRewriteRule ^ https://mail.dev%{REQUEST_URI} [R=301]\n<Location />",
        "</Location>\nRewriteCond %{SERVER_NAME} =mail.dev\nRewriteRule ^ https://%{SERVER_NAME}%{REQUEST_URI} [END,NE,R=permanent]\n<Location />",
    ] {
        let text = apache(&format!("Require valid-user\n{inside}"));
        assert!(!apache::convert("x", &text, None, None).unwrap().is_open(), "{inside}");
    }
    for address in ["${IP}:8080", "10.0.0.4:*"] {
        let text = apache("Require valid-user").replace("*:8080", address);
        assert!(apache::convert("x", &text, None, None).unwrap().is_open(), "{address}");
    }
}
