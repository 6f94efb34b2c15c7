//! Which certificate is shown to whom, and that a new one is shown without a restart.

use std::path::Path;

use super::{Secured, table};
use crate::reload::reload;
use crate::support::gate::{AS_ANNA, binary};
use crate::support::patience::eventually;
use crate::support::tls::{Authority, Pair};

/// Waits until a certificate is shown.
fn becomes(secured: &Secured, pair: &Pair) {
    let wanted = pair.der();
    eventually("the new certificate", || (secured.client.shown(secured.addr(), "dev.test") == wanted).then_some(()));
}

#[test]
fn the_exact_name_comes_before_a_wildcard_and_the_default_is_for_everybody_else() {
    let authority = Authority::new();
    let (one, any) = (authority.server(&["one.other.test", "10.0.0.1"]), authority.server(&["*.other.test"]));
    let write = |_: &Authority, folder: &Path| {
        one.write(folder, "one");
        any.write(folder, "any");
    };
    let more = r#"certificates = [
        { cert_file = "DIR/any.pem", key_file = "DIR/any.key" },
        { cert_file = "DIR/one.pem", key_file = "DIR/one.key" },
    ]"#;
    let secured = Secured::of(authority, write, more, |gate| gate);
    let shown = |name: &str| secured.client.shown(secured.addr(), name);
    assert_eq!(shown("one.other.test"), one.der());
    assert_eq!(shown("ONE.other.test"), one.der());
    assert_eq!(shown("two.other.test"), any.der());
    // Nobody is deceived: the client refuses what is not for the name that it asked for.
    for name in ["a.b.other.test", "other.test", "unknown.test", "127.0.0.1"] {
        let error = secured.client.shake(secured.addr(), name).unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{name}: {error}");
    }
    assert!(secured.client.shake(secured.addr(), "dev.test").is_ok());
    eventually("the failures", || (secured.failures("certificate refused") == Some(4.0)).then_some(()));
}

#[test]
fn a_renewed_certificate_is_shown_however_its_files_were_replaced() {
    let secured = Secured::start();
    let folder = secured.files.path();
    let open = secured.connect();
    // In place, one file after the other.
    let pair = secured.authority.server(&["dev.test"]);
    pair.write(folder, "dev");
    becomes(&secured, &pair);
    // Renamed into place.
    let pair = secured.authority.server(&["dev.test"]);
    pair.write(folder, "new");
    for kind in ["pem", "key"] {
        std::fs::rename(folder.join(format!("new.{kind}")), folder.join(format!("dev.{kind}"))).unwrap();
    }
    becomes(&secured, &pair);
    // Links that are swapped, as certbot does: live/dev.pem -> ../archive/dev1.pem.
    for number in 1..=2 {
        let pair = secured.authority.server(&["dev.test"]);
        pair.write(folder, &format!("archive{number}"));
        for kind in ["pem", "key"] {
            let link = folder.join(format!("link.{kind}"));
            std::os::unix::fs::symlink(format!("archive{number}.{kind}"), &link).unwrap();
            std::fs::rename(&link, folder.join(format!("dev.{kind}"))).unwrap();
        }
        becomes(&secured, &pair);
    }
    drop(open);
    assert_eq!(secured.gate.metric("mailwarden_reloads_total{result=\"failed\"}").unwrap_or(0.0), 0.0);
}

/// ..data is a link to a folder, and the files are links into it.
#[test]
fn a_secret_of_kubernetes_is_followed_when_its_folder_is_swapped() {
    let authority = Authority::new();
    let swap = |folder: &Path, to: &str| {
        std::os::unix::fs::symlink(to, folder.join("..next")).unwrap();
        std::fs::rename(folder.join("..next"), folder.join("..data")).unwrap();
    };
    let prepare = |authority: &Authority, folder: &Path| {
        std::fs::create_dir(folder.join("..1")).unwrap();
        authority.server(&["dev.test"]).write(&folder.join("..1"), "dev");
        swap(folder, "..1");
        for name in ["dev.pem", "dev.key"] {
            std::fs::remove_file(folder.join(name)).unwrap();
            std::os::unix::fs::symlink(format!("..data/{name}"), folder.join(name)).unwrap();
        }
    };
    let secured = Secured::of(authority, prepare, "", |gate| gate);
    let folder = secured.files.path();
    let pair = secured.authority.server(&["dev.test"]);
    std::fs::create_dir(folder.join("..2")).unwrap();
    pair.write(&folder.join("..2"), "dev");
    swap(folder, "..2");
    std::fs::remove_dir_all(folder.join("..1")).unwrap();
    becomes(&secured, &pair);
}

#[test]
fn a_pair_that_cannot_be_used_keeps_the_old_one_and_the_condition_says_so() {
    let secured = Secured::start();
    let folder = secured.files.path();
    let before = secured.client.shown(secured.addr(), "dev.test");
    let other = secured.authority.server(&["dev.test"]);
    let degraded = |wanted: bool| {
        eventually("the condition", || {
            let ready = secured.gate.status("/readyz").1;
            let is = ready.contains("a certificate or its key cannot be used; the log says why");
            (is == wanted).then_some(())
        });
    };
    let (cert, key) = (folder.join("dev.pem"), folder.join("dev.key"));
    let good_key = std::fs::read_to_string(&key).unwrap();
    for (broken, said) in [
        (other.key.clone(), "does not fit the certificate in"),
        (String::new(), "is empty"),
        (good_key[..100].to_owned(), "ends in the middle of a part; is it still being written?"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n".to_owned(), "is encrypted, and nobody is there to be asked"),
    ] {
        std::fs::write(&key, broken).unwrap();
        degraded(true);
        secured.gate.log_line(&format!("tls.key_file: {} {said}", key.display()));
        assert_eq!(secured.client.shown(secured.addr(), "dev.test"), before);
        assert_eq!(secured.connect().request("GET /messages", AS_ANNA).status, 200);
        std::fs::write(&key, &good_key).unwrap();
        degraded(false);
    }
    std::fs::remove_file(&cert).unwrap();
    degraded(true);
    secured.gate.log_line(&format!("tls.cert_file: {} cannot be read: No such file", cert.display()));
    // By a signal as well: what is written now is taken as a whole or not at all.
    reload(&secured.gate);
    assert_eq!(secured.client.shown(secured.addr(), "dev.test"), before);
    other.write(folder, "dev");
    becomes(&secured, &other);
    degraded(false);
}

#[test]
fn a_configuration_with_other_certificates_is_taken_over_by_a_reload() {
    let secured = Secured::start();
    let folder = secured.files.path();
    let other = secured.authority.server(&["dev.test"]);
    other.write(folder, "other");
    let file = secured.gate.config_file();
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, config.replace("/dev.", "/other.")).unwrap();
    reload(&secured.gate);
    assert_eq!(secured.client.shown(secured.addr(), "dev.test"), other.der());
    // And one whose certificate is missing is not, with what else it says.
    let (before, _) = config.split_once("[tls]").unwrap();
    let bad = format!("{before}auth.realm = \"New\"\n{}", table(folder, "").replace("/dev.", "/none."));
    std::fs::write(&file, bad).unwrap();
    reload(&secured.gate);
    assert_eq!(secured.client.shown(secured.addr(), "dev.test"), other.der());
    let challenge = secured.connect().request("GET /", "").field("www-authenticate").unwrap();
    assert!(challenge.contains("Restricted"), "{challenge}");
}

#[test]
fn expiry_is_a_metric_a_condition_and_a_line_in_the_log() {
    for (days, why, said) in [
        (90, None, ""),
        (13, Some("a certificate expires within 14 days; the log names it"), "expires in 12 days"),
        (-1, Some("a certificate has expired; the log names it"), "has expired on"),
    ] {
        let prepare =
            |authority: &Authority, folder: &Path| _ = authority.server_until(&["dev.test"], days).write(folder, "dev");
        let secured = Secured::of(Authority::new(), prepare, "", |gate| gate);
        let name = "mailwarden_certificate_expiry_timestamp_seconds{certificate=\"1\"}";
        let at = secured.gate.metric(name).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((at - now - days as f64 * 86_400.0).abs() < 3_600.0, "{at}");
        let ready = |wanted: &str| {
            eventually(wanted, || secured.gate.status("/readyz").1.contains(wanted).then_some(()));
        };
        match why {
            None => {
                ready("certificate: ok");
                continue;
            }
            Some(why) => ready(why),
        }
        secured.gate.log_line(said);
        assert!(secured.gate.log_line("a certificate expires").contains(said));
        // Renewed, all is well again.
        secured.authority.server(&["dev.test"]).write(secured.files.path(), "dev");
        ready("certificate: ok");
    }
}

/// The daemon and `check` refuse alike, with the file and the reason.
#[test]
fn what_cannot_be_used_ends_a_start_with_78_and_check_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = Authority::new();
    let (pair, other) = (authority.server(&["dev.test"]), authority.server(&["dev.test"]));
    std::fs::write(folder.join("htpasswd"), crate::support::gate::ANNA).unwrap();
    let file = folder.join("mailwarden.toml");
    let config = format!(
        "listen = [\"https://127.0.0.1:0\"]\nstatus.listen = \"off\"\nauth.users_file = {:?}\n{}",
        folder.join("htpasswd"),
        table(folder, "")
    );
    std::fs::write(&file, config).unwrap();
    let not_first = format!("{}{}", authority.pem(), pair.cert);
    let line =
        |key: &str| 1 + std::fs::read_to_string(&file).unwrap().lines().position(|line| line.starts_with(key)).unwrap();
    let (cert_line, key_line) = (line("cert_file"), line("key_file"));
    for (cert, key, said) in [
        (pair.cert.as_str(), other.key.as_str(), "tls.key_file: KEY does not fit the certificate in CERT"),
        (
            &pair.key,
            &pair.cert,
            "tls.cert_file: CERT holds a key and no certificate; are the two files the wrong way round?",
        ),
        (&pair.cert, &pair.cert, "tls.key_file: KEY holds a certificate and no key"),
        (&not_first, &pair.key, "tls.cert_file: CERT has the certificate that KEY fits as its number 2; put it first"),
        ("", &pair.key, "tls.cert_file: CERT is empty"),
        ("no PEM", &pair.key, "tls.cert_file: CERT holds no certificate"),
        (&pair.cert, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "openssl pkey -in FILE -out NEW"),
    ] {
        let (cert_file, key_file) = (folder.join("dev.pem"), folder.join("dev.key"));
        std::fs::write(&cert_file, cert).unwrap();
        std::fs::write(&key_file, key).unwrap();
        let said =
            said.replace("CERT", &cert_file.display().to_string()).replace("KEY", &key_file.display().to_string());
        for command in ["serve", "check"] {
            let output = binary().arg(command).arg("--config").arg(&file).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(78), "{command}: {error}");
            assert!(error.contains(&said), "{command}: {error}\nwanted {said}");
            // With the place, as other messages have it.
            let place = if said.starts_with("tls.cert_file") { cert_line } else { key_line };
            assert!(error.contains(&format!("{}:{place}: tls.", file.display())), "{command}: {error}");
        }
    }
}

#[test]
fn check_names_the_certificates_and_what_is_doubtful_of_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = Authority::new();
    let (_, key) = authority.server_until(&["dev.test", "*.dev.test"], 5).write(folder, "dev");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    std::fs::write(folder.join("htpasswd"), crate::support::gate::ANNA).unwrap();
    let more = "client_ca_file = \"DIR/ca.pem\"\nclient_users = { \"CN=ben,O=Example\" = \"ben\" }";
    let file = folder.join("mailwarden.toml");
    let config = format!(
        "listen = [\"https://127.0.0.1:0\", \"127.0.0.1:0\"]\nauth.users_file = {:?}\n{}",
        folder.join("htpasswd"),
        table(folder, more)
    );
    std::fs::write(&file, config).unwrap();
    let output = binary().args(["check", "--config"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "Speaks TLS        1.2 and 1.3",
        "dev.pem: for dev.test, *.dev.test and who asks for another name; until ",
        "Client certs      everybody has to show one, vouched for by ",
        "CN=ben,O=Example is ben, without a password",
        "expires in 4 days, on ",
        "may be read by everybody on this machine: chmod o-r ",
        "warning: tls.client_auth: nobody is asked for a certificate at \"127.0.0.1:0\"",
        "warning: tls.client_users: no user ben in ",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
}
