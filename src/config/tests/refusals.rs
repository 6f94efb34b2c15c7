//! What is said to wrong configurations, word by word.

use super::*;

/// The line of a text that begins with a key, and what is said to it.
#[test]
fn each_mistake_is_answered_with_what_to_do() {
    let table = [
        // Names
        ("lisen = []", "m.toml:1: lisen: unknown key; did you mean listen?"),
        ("[upstreem]\nurl = 1", "m.toml:1: upstreem: unknown table; did you mean upstream?"),
        ("\n\n[upstream]\nulr = 1", "m.toml:4: upstream.ulr: unknown key; did you mean upstream.url?"),
        (
            "[log]\nlisten = []",
            "m.toml:2: log.listen: unknown key; did you mean listen? It belongs above the first [table]",
        ),
        (
            "[log]\nauth.realm = \"x\"",
            "m.toml:2: log.auth: unknown table; auth is a table of its own; what begins with auth. belongs above the first [table]",
        ),
        ("proxy_pass = 1", "m.toml:1: proxy_pass: unknown key; did you mean upstream.url?"),
        (
            "listen = [\"0.0.0.0:1080\"]",
            "default: upstream.url: is this gate's own address, 0.0.0.0:1080; write the catcher's, and give one of them another port",
        ),
        ("auth = 1", "m.toml:1: auth: is a table; write [auth] and its keys below"),
        ("\"upstream.url\" = 1", "m.toml:1: \"upstream.url\": unknown key; did you mean upstream.url?"),
        ("\"a\\nb\" = 1", "m.toml:1: \"a\\nb\": unknown key; remove it"),
        (
            "[tls]\ncert = \"x\"\nkey = \"24h\"",
            "m.toml:2: tls.cert: unknown key; did you mean tls.cert_file?\n\
             m.toml:3: tls.key: unknown key; did you mean tls.key_file?",
        ),
        // TLS
        (
            "listen = [\"https://0.0.0.0:8443\"]",
            "m.toml:1: listen: \"https://0.0.0.0:8443\" needs a certificate: write tls.cert_file and tls.key_file",
        ),
        ("tls.cert_file = \"a\"", "m.toml:1: tls.cert_file: is there without tls.key_file; give both or none"),
        ("tls.key_file = \"a\"", "m.toml:1: tls.key_file: is there without tls.cert_file; give both or none"),
        (
            "tls.cert_file = \"a\"\ntls.key_file = \"b\"",
            "m.toml:1: tls.cert_file: is there, and no entry of listen is https; write listen = [\"https://0.0.0.0:8443\"]",
        ),
        (
            "tls.certificates = [{ cert_file = \"a\", key_file = \"b\" }]",
            "m.toml:1: tls.certificates: needs a default certificate: write tls.cert_file and tls.key_file",
        ),
        (
            "tls.certificates = [{ cert_file = \"a\" }, { cert_file = \"a\", key_file = 1 }, { cert = \"a\" }, \"a\"]",
            "m.toml:1: tls.certificates: has an entry without key_file\n\
             m.toml:1: tls.certificates: must be a path in quotes for key_file, not the number 1\n\
             m.toml:1: tls.certificates: \"cert\" is unknown; there are cert_file and key_file\n\
             m.toml:1: tls.certificates: must be a list such as [{ cert_file = \"/srv/b.pem\", key_file = \"/srv/b.key\" }], \
             not \"a\"",
        ),
        ("tls.min_version = \"1.1\"", "m.toml:1: tls.min_version: \"1.1\" is unknown; did you mean \"1.2\"?"),
        (
            "tls.client_users = { \"CN=anna\" = \"anna\" }",
            "m.toml:1: tls.client_users: needs tls.client_ca_file: the certificates of who vouches for clients",
        ),
        (
            "tls.client_auth = \"optional\"",
            "m.toml:1: tls.client_auth: needs tls.client_ca_file: the certificates of who vouches for clients",
        ),
        (
            "tls.client_users = { \"CN=anna, O=X\" = \"anna\", \"CN=b\" = \"a:b\", \"email:x\" = \"c\", \"CN=\\u00fc\" = \"d\", \"CN=\\\\C3\\\\BC\" = \"d\" }",
            "m.toml:1: tls.client_users.\"CN=anna, O=X\": the name on its left has spaces around a name; write it as openssl x509 \
             -noout -subject -nameopt RFC2253 -in FILE prints it\n\
             m.toml:1: tls.client_users.\"CN=b\": \"a:b\" is no user name\n\
             m.toml:1: tls.client_users.\"CN=\u{fc}\": is there twice, in two spellings; remove one\n\
             m.toml:1: tls.client_users.\"email:x\": the name on its left is no name of a certificate; write \
             email:anna@example.org or uri:spiffe://example.org/anna",
        ),
        (
            "status.listen = \"https://127.0.0.1:1\"",
            "m.toml:1: status.listen: \"https://127.0.0.1:1\" is https, which is not spoken there",
        ),
        (
            "listen = [\"https://127.0.0.1:1\", \"127.0.0.1:1\"]",
            "m.toml:1: listen: \"127.0.0.1:1\" is there twice; remove one",
        ),
        // Purge
        (
            "[purge]\nschedule = \"0 3 * * *\"\nevery = \"1h\"",
            "m.toml:3: purge.every: is there beside purge.schedule; remove one of them",
        ),
        (
            "purge.schedule = \"0 0 31 2 *\"",
            "m.toml:1: purge.schedule: \"0 0 31 2 *\" never fires: there is no such day",
        ),
        (
            "purge.schedule = \"0 25 * * *\"",
            "m.toml:1: purge.schedule: \"0 25 * * *\" has \"25\" for its hour, which goes from 0 to 23",
        ),
        ("purge.every = \"100ms\"", "m.toml:1: purge.every: \"100ms\" is too short; at least \"1s\""),
        (
            "purge.timezone = \"Helsinki\"",
            "m.toml:1: purge.timezone: \"Helsinki\" is no time zone; write a name such as \"Europe/Helsinki\"",
        ),
        ("purge.max_messages = -1", "m.toml:1: purge.max_messages: -1 is out of range; it goes from 0 to 1000000000"),
        ("purge.max_age = \"0s\"", "m.toml:1: purge.max_age: \"0s\" is no time at all; write at least \"1ms\""),
        (
            "upstream.catcher = \"generic\"\npurge.max_age = \"1d\"",
            "m.toml:2: purge.max_age: needs a catcher whose interface is known; upstream.catcher is \"generic\"",
        ),
        (
            "purge.archive_dir = \"/srv/archive\"",
            "m.toml:1: purge.archive_dir: needs purge.archive_max_age or purge.archive_max_size: whoever sends mail would fill the disk",
        ),
        (
            "purge.archive_max_age = \"1d\"",
            "m.toml:1: purge.archive_max_age: is there without purge.archive_dir; give both or none",
        ),
        (
            "purge.alert_url_file = \"/nowhere/alert\"",
            "m.toml:1: purge.alert_url_file: \"/nowhere/alert\" cannot be read: No such file or directory",
        ),
        (
            "[status]\nlisten = \"9080\"",
            "m.toml:2: status.listen: \"9080\" has no address; write \"0.0.0.0:9080\" for all of IPv4, \"127.0.0.1:9080\" for this machine only",
        ),
        (
            "listen = \"8080\"",
            "m.toml:1: listen: must be a list, and \"8080\" has no address; write \"0.0.0.0:8080\" for all of IPv4, \"127.0.0.1:8080\" for this machine only",
        ),
        ("listen = 8080", "m.toml:1: listen: must be a list of addresses; write [\"0.0.0.0:8080\", \"[::]:8080\"]"),
        ("listen = \"127.0.0.1:8080\"", "m.toml:1: listen: must be a list; write [\"127.0.0.1:8080\"]"),
        (
            "auth.anonymous_from = [\"10.0.0.0/8\"]",
            "m.toml:1: auth.anonymous_from: needs hosts: write hosts = [\"mail.dev\"], with the names by which people ask for the gate",
        ),
        (
            "hosts = [\"mail.dev\"]\nauth.anonymous_from = [\"office\", \"unix\"]",
            "m.toml:2: auth.anonymous_from: \"office\" is not an address (192.0.2.7) or a network (10.0.0.0/8)\n\
             m.toml:2: auth.anonymous_from: \"unix\" is not an address (192.0.2.7) or a network (10.0.0.0/8)",
        ),
        (
            "hosts = [\"http://mail.dev\", \"mail.dev:8080\", \"*.dev\", \"10.0.0.1\", \"::1\", \"\"]",
            "m.toml:1: hosts: \"http://mail.dev\" is no name; write a name such as \"mail.dev\"\n\
             m.toml:1: hosts: \"mail.dev:8080\" has a port, and any will do; write \"mail.dev\"\n\
             m.toml:1: hosts: \"*.dev\" has a *, which stands for nothing here; write a name such as \"mail.dev\", each name for itself\n\
             m.toml:1: hosts: \"10.0.0.1\" is an address, and those always pass; remove it\n\
             m.toml:1: hosts: \"::1\" is an address, and those always pass; remove it\n\
             m.toml:1: hosts: \"\" is no name; write a name such as \"mail.dev\"",
        ),
        (
            "health_path = \"/.mailwarden/login\"",
            "m.toml:1: health_path: \"/.mailwarden/login\" is the login page's; write \"/healthz\"",
        ),
        ("[[site]]\nhosts = []", "m.toml:1: site: this version serves one catcher only yet; remove the key"),
        (
            "[access.groups]\nqa = [\"@ops\", \"@qa\"]\n\"@x\" = []\n\"a b\" = []\n\"\" = []\nops = [\"a:b\", \"\"]\ndev = \"anna\"",
            "m.toml:2: access.groups.qa: \"@ops\" is a group, and a group holds users only; name its users\n\
             m.toml:2: access.groups.qa: \"@qa\" is a group, and a group holds users only; name its users\n\
             m.toml:3: access.groups.\"@x\": the @ belongs in access.users only; write the name without it\n\
             m.toml:4: access.groups.\"a b\": is no name of a group; letters, digits, '-', '_' and '.' make one\n\
             m.toml:5: access.groups.\"\": is no name of a group; write one such as qa\n\
             m.toml:6: access.groups.ops: \"a:b\" has a colon, which no user name can have\n\
             m.toml:6: access.groups.ops: \"\" is no user name\n\
             m.toml:7: access.groups.dev: must be a list; write [\"anna\"]",
        ),
        (
            "[access]\nusers = { \"@qa\" = [\"vew\"], \"@\" = [] }\ngroups = [\"qa\"]",
            "m.toml:2: access.users.\"@\": is no name of a group; write one such as qa\n\
             m.toml:2: access.users.\"@qa\": \"vew\" is no permission; did you mean \"view\"?\n\
             m.toml:3: access.groups: must be a table such as { qa = [\"anna\", \"ben\"] }, not a list",
        ),
        (
            "allowed_origins = [\"*\", \"https://app.test/\", \"app.test\"]",
            "m.toml:1: allowed_origins: \"*\" has a *, which would let every site in; name each origin\n\
             m.toml:1: allowed_origins: \"https://app.test/\" has a path; write \"https://app.test\"\n\
             m.toml:1: allowed_origins: \"app.test\" has no scheme; write one such as \"https://app.example.org:8443\"",
        ),
        (
            "upstream.catcher = \"maildev\"",
            "m.toml:1: upstream.catcher: \"maildev\" has two interfaces; write \"maildev2\", \"maildev3\", or \"auto\" to have it found out",
        ),
        (
            "listen = [\"systemd:\"]",
            "m.toml:1: listen: \"systemd:\" has no name that FileDescriptorName= could give to a socket",
        ),
        ("health_path = \"healthz\"", "m.toml:1: health_path: \"healthz\" does not begin with /; write \"/healthz\""),
        (
            "health_path = \"/x/../y\"",
            "m.toml:1: health_path: \"/x/../y\" is no path that can be given away; write \"/healthz\"",
        ),
        (
            "health_path = \"/messages/1.json\"",
            "m.toml:1: health_path: \"/messages/1.json\" is the catcher's own; write \"/healthz\"",
        ),
        (
            "health_path = \"/mail/\"\nupstream.url = \"http://127.0.0.1:1080/mail\"",
            "m.toml:1: health_path: \"/mail/\" is the catcher's own; write \"/healthz\"",
        ),
        (
            "listen = [\"0.0.0.0:9081\"]\nstatus.listen = \"127.0.0.1:9081\"",
            "m.toml:2: status.listen: \"127.0.0.1:9081\" is taken by listen, \"0.0.0.0:9081\"; write another port",
        ),
        (
            "upstream.url = \"http://127.0.0.1:9080\"",
            "m.toml:1: upstream.url: is this gate's own address, 127.0.0.1:9080; \
             write the catcher's, and give one of them another port",
        ),
        // Kinds
        ("listen = \"0.0.0.0:80\"", "m.toml:1: listen: must be a list; write [\"0.0.0.0:80\"]"),
        ("listen = [8080]", "m.toml:1: listen: must hold texts in quotes only, not the number 8080"),
        ("workers = \"4\"", "m.toml:1: workers: must be a whole number, not \"4\""),
        ("workers = 1.5", "m.toml:1: workers: must be a whole number, not a number with a fraction"),
        ("log.access = \"yes\"", "m.toml:1: log.access: must be true or false, not \"yes\""),
        (
            "limits.body = 1048576",
            "m.toml:1: limits.body: must be a text in quotes such as \"1MiB\", not the number 1048576",
        ),
        (
            "auth.realm = 2020-01-01",
            "m.toml:1: auth.realm: must be a text in quotes such as \"Restricted\", not a date",
        ),
        (
            "access.users = [\"anna\"]",
            "m.toml:1: access.users: must be a table such as { ci-bot = [\"view\"] }, not a list",
        ),
        // Values
        ("listen = []", "m.toml:1: listen: is empty; name at least one address"),
        (
            "listen = [\n  \"127.0.0.1:80\",\n  \"8080\",\n]",
            "m.toml:3: listen: \"8080\" has no address; write \"0.0.0.0:8080\" for all of IPv4, \
             \"127.0.0.1:8080\" for this machine only",
        ),
        ("listen = [\"0.0.0.0:80\", \"0.0.0.0:80\"]", "m.toml:1: listen: \"0.0.0.0:80\" is there twice; remove one"),
        (
            "trusted_proxies = [\"proxy.test\"]",
            "m.toml:1: trusted_proxies: \"proxy.test\" is not an address (192.0.2.7), a network (10.0.0.0/8) or \"unix\"",
        ),
        (
            "proxy_protocol = true",
            "m.toml:1: proxy_protocol: needs trusted_proxies: write trusted_proxies = [\"10.0.0.5\"], with the address of the \
             proxy that sends it",
        ),
        (
            "redirect = true",
            "m.toml:1: redirect: needs TLS: an entry such as \"https://0.0.0.0:8443\" in listen, or a proxy that speaks it in \
             trusted_proxies",
        ),
        ("redirect_port = 443", "m.toml:1: redirect_port: means nothing without redirect = true"),
        ("redirect = true\nredirect_port = 0", "m.toml:2: redirect_port: 0 is out of range; it goes from 1 to 65535"),
        (
            "tls.hsts = \"365d\"",
            "m.toml:1: tls.hsts: needs TLS: an entry such as \"https://0.0.0.0:8443\" in listen, or a proxy that speaks it in \
             trusted_proxies",
        ),
        (
            "trusted_proxies = [\"unix\"]\ntls.hsts = \"1y\"",
            "m.toml:2: tls.hsts: \"1y\" counts in \"y\", whose length is not fixed; write days, as in \"30d\"",
        ),
        ("unix_socket_mode = \"rw\"", "m.toml:1: unix_socket_mode: \"rw\" is no mode; write one as \"0660\""),
        ("workers = 0", "m.toml:1: workers: 0 is out of range; it goes from 1 to 1024"),
        (
            "workers = 99999999999999999999",
            "m.toml:1: workers: 9223372036854775807 is out of range; it goes from 1 to 1024",
        ),
        ("limits.connections = -1", "m.toml:1: limits.connections: -1 is out of range; it goes from 1 to 1000000"),
        ("limits.head = \"1KiB\"", "m.toml:1: limits.head: \"1KiB\" is out of range; it goes from 8KiB to 1MiB"),
        ("limits.body = \"1m\"", "m.toml:1: limits.body: \"1m\" has \"m\" for a unit; write \"1MiB\""),
        (
            "limits.read_ahead = \"1MiB\"",
            "m.toml:1: limits.read_ahead: \"1MiB\" is out of range; it goes from 4MiB to 64GiB, and 0 is none",
        ),
        ("timeouts.send = \"60\"", "m.toml:1: timeouts.send: \"60\" has no unit; write \"60s\" for seconds"),
        ("timeouts.send = \"0s\"", "m.toml:1: timeouts.send: \"0s\" is no time at all; write at least \"1ms\""),
        ("timeouts.send = \"8d\"", "m.toml:1: timeouts.send: \"8d\" is too long; at most 7d"),
        ("timeouts.upstream_idle = \"30s\"", "m.toml:1: timeouts.upstream_idle: \"30s\" is too long; at most 20s"),
        ("timeouts.ping = \"30s\"", "m.toml:1: timeouts.ping: \"30s\" is too long; at most 25s"),
        ("log.level = \"inf\"", "m.toml:1: log.level: \"inf\" is unknown; did you mean \"info\"?"),
        ("log.format = \"xml\"", "m.toml:1: log.format: \"xml\" is unknown; there are text, json, combined"),
        (
            "mail.remote_content = \"none\"",
            "m.toml:1: mail.remote_content: \"none\" is unknown; there are allow, block",
        ),
        (
            "upstream.catcher = \"mailcather\"",
            "m.toml:1: upstream.catcher: \"mailcather\" is unknown; did you mean \"mailcatcher\"?",
        ),
        (
            "upstream.url = \"https://mail.test\"",
            "m.toml:1: upstream.url: \"https://mail.test\" is https, which is not spoken to the catcher; \
             write http:// and keep the way to it private",
        ),
        (
            "upstream.url = \"http://me:s3cret@mail.test\"",
            "m.toml:1: upstream.url: the URL holds a user name or password; \
             give them as upstream.username and upstream.password_file",
        ),
        (
            "upstream.username = \"gate\"",
            "m.toml:1: upstream.username: is there without upstream.password_file; give both or none",
        ),
        (
            "upstream.password_file = \"/run/secrets/p\"",
            "m.toml:1: upstream.password_file: is there without upstream.username; give both or none",
        ),
        (
            "upstream.username = \"a:b\"\nupstream.password_file = \"/nowhere/p\"",
            "m.toml:1: upstream.username: \"a:b\" has a colon, which no user name can have\n\
             m.toml:2: upstream.password_file: \"/nowhere/p\" cannot be read: No such file or directory",
        ),
        ("auth.realm = \"a\\nb\"", "m.toml:1: auth.realm: \"a\\nb\" holds control characters"),
        ("auth.users_file = \"\"", "m.toml:1: auth.users_file: \"\" is empty; write the path of a file"),
        ("access.default = [\"veiw\"]", "m.toml:1: access.default: \"veiw\" is no permission; did you mean \"view\"?"),
        (
            "[access.users]\nanna = [\"view\"]\nbob = [\"everything\"]",
            "m.toml:3: access.users.bob: \"everything\" is no permission; there are view, delete, clear, quit and write",
        ),
        ("access.users = { \"a:b\" = [] }", "m.toml:1: access.users.\"a:b\": has a colon, which no user name can have"),
        ("access.users = { anna = \"view\" }", "m.toml:1: access.users.anna: must be a list; write [\"view\"]"),
    ];
    for (toml, expected) in table {
        assert_eq!(errors_of(toml), expected, "{toml}");
    }
}

#[test]
fn a_password_in_a_url_is_not_repeated() {
    for url in ["https://me:s3cret@mail.test", "me:s3cret@mail.test", "http://me:s3cret@mail.test/?x"] {
        let errors = errors_of(&format!("upstream.url = {url:?}"));
        assert!(!errors.contains("s3cret"), "{errors}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_from_top_to_bottom() {
    let toml =
        "workers = 0\nlistne = []\n[timeouts]\nsend = \"0s\"\nstop = \"1\"\n[log]\nlevel = \"loud\"\nacess = true\n";
    let env = [("MAILWARDEN_LOG__FORMAT", "xml"), ("MAILWARDEN_CONFIG", "/x"), ("MAILWARDEN_TLS__CERT", "x")];
    let flags = [("listen", "8080"), ("upstream", "x")];
    assert_eq!(
        errors_with(toml, &env, &flags),
        "m.toml:1: workers: 0 is out of range; it goes from 1 to 1024\n\
         m.toml:2: listne: unknown key; did you mean listen?\n\
         m.toml:4: timeouts.send: \"0s\" is no time at all; write at least \"1ms\"\n\
         m.toml:5: timeouts.stop: \"1\" has no unit; write \"1s\" for seconds\n\
         m.toml:7: log.level: \"loud\" is unknown; there are error, warn, info, debug, trace\n\
         m.toml:8: log.acess: unknown key; did you mean log.access?\n\
         environment MAILWARDEN_CONFIG: unknown variable; remove it\n\
         environment MAILWARDEN_LOG__FORMAT: \"xml\" is unknown; there are text, json, combined\n\
         environment MAILWARDEN_TLS__CERT: unknown variable; remove it\n\
         --listen: \"8080\" has no address; write \"0.0.0.0:8080\" for all of IPv4, \
         \"127.0.0.1:8080\" for this machine only\n\
         --upstream: \"x\" is not a URL; write it as \"http://127.0.0.1:1080\""
    );
}

#[test]
fn variables_are_answered_by_their_names() {
    let table = [
        ("MAILWARDEN_UPSTREAM_URL", "x", "unknown variable; did you mean MAILWARDEN_UPSTREAM__URL?"),
        ("MAILWARDEN_listen", "x", "unknown variable; remove it"),
        ("MAILWARDEN_", "x", "unknown variable; remove it"),
        ("MAILWARDEN_ACCESS__USERS", "{}", "is a table, which only the file can hold"),
        ("MAILWARDEN_ACCESS__USERS__ANNA", "view", "is a table, which only the file can hold"),
        ("MAILWARDEN_AUTH", "{}", "is a table, which only the file can hold"),
        ("MAILWARDEN_WORKERS", "four", "must be a whole number, not \"four\""),
        ("MAILWARDEN_WORKERS", "", "must be a whole number, not \"\""),
        ("MAILWARDEN_LOG__ACCESS", "yes", "must be true or false, not \"yes\""),
        ("MAILWARDEN_LISTEN", "", "is empty; name at least one address"),
        (
            "MAILWARDEN_TRUSTED_PROXIES",
            "x,10.0.0.0/8",
            "\"x\" is not an address (192.0.2.7), a network (10.0.0.0/8) or \"unix\"",
        ),
        ("MAILWARDEN_TRUSTED_PROXIES", "[1]", "must hold texts in quotes only, not the number 1"),
    ];
    for (name, value, reason) in table {
        assert_eq!(errors_with("", &[(name, value)], &[]), format!("environment {name}: {reason}"));
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = |text: &[u8]| OsString::from_vec(text.to_vec());
    let env = vec![
        (bytes(b"MAILWARDEN_AUTH__REALM"), bytes(b"\xff")),
        (bytes(b"MAILWARDEN_\xff"), bytes(b"x")),
        (bytes(b"OTHER_\xff"), bytes(b"\xff")),
    ];
    let source = Source { env, ..source(&[], &[]) };
    assert_eq!(
        assemble(&source, None).unwrap_err().to_string(),
        "environment MAILWARDEN_AUTH__REALM: is not UTF-8\nenvironment MAILWARDEN_\u{fffd}: unknown variable; remove it"
    );
}

#[test]
fn syntax_errors_show_the_place() {
    assert_eq!(
        errors_of("workers = 1\n[log]\nlevel = info\n"),
        "m.toml:3:9: string values must be quoted\n  |\n3 | level = info\n  |         ^"
    );
    assert_eq!(
        errors_of("[log]\nlevel = warn\n"),
        "m.toml:2:9: string values must be quoted, expected literal string\n  |\n2 | level = warn\n  |         ^"
    );
    assert_eq!(errors_of("workers = 1\nworkers = 2\n"), "m.toml:2:1: duplicate key\n  |\n2 | workers = 2\n  | ^");
}

#[test]
fn a_file_that_is_not_utf8_is_told_with_its_place() {
    let errors = assemble(&source(&[], &[]), Some(b"workers = 1\nx = \"\xff\"\n")).unwrap_err();
    assert!(errors.to_string().starts_with("m.toml:2:6: is not UTF-8; save the file in that encoding\n"), "{errors}");
}

#[test]
fn a_password_file_must_hold_one_password() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p");
    let toml = format!("upstream.username = \"u\"\nupstream.password_file = {file:?}");
    for (content, reason) in [
        (String::new(), "is empty; write the password into it"),
        ("a\nb\n".to_owned(), "holds more than one line, or control characters; write the password alone into it"),
        ("x".repeat(5000), "is over 4KiB; write the password alone into it"),
    ] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(errors_of(&toml), format!("m.toml:2: upstream.password_file: {file:?} {reason}"));
    }
}
