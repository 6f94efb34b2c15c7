//! What `mailwarden cert` makes, before the programs that have to take it: OpenSSL, curl, Python, Node and Chromium, which
//! trusts it by the very command that is printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::process::{Program, tool, tools};
use crate::support::gate::binary;

/// An authority with a certificate, in a folder that is also somebody's home.
struct Made {
    home: tempfile::TempDir,
    said: String,
}

impl Made {
    fn new(names: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let output =
            binary().args(["cert", "new"]).args(names).arg("--dir").arg(home.path().join("tls")).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        Self { said: text(&output.stdout).to_owned(), home }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join("tls").join(name)
    }

    /// A certificate that somebody makes who has stolen the authority's key.
    fn stolen(&self, name: &str) -> (PathBuf, PathBuf) {
        let (key, request, certificate) = (self.file("stolen.key"), self.file("stolen.csr"), self.file("stolen.pem"));
        let kind = if name.parse::<std::net::IpAddr>().is_ok() { "IP" } else { "DNS" };
        let extensions = self.file("stolen.ext");
        fs::write(&extensions, format!("subjectAltName={kind}:{name}\nextendedKeyUsage=serverAuth\n")).unwrap();
        let p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/O=thief"];
        openssl(Command::new("openssl").arg("req").args(p256).arg("-keyout").arg(&key).arg("-out").arg(&request));
        let mut sign = Command::new("openssl");
        sign.args(["x509", "-req", "-days", "30"]).arg("-in").arg(&request).arg("-out").arg(&certificate);
        sign.arg("-CA").arg(self.file("authority/certificate.pem")).arg("-CAkey").arg(self.file("authority/key.pem"));
        openssl(sign.arg("-extfile").arg(&extensions));
        (certificate, key)
    }
}

/// Has the browser of that home trust an authority, in the way that the command has said to do it.
pub(crate) fn trust_in_browsers(home: &Path, said: &str) {
    let database = home.join(".pki/nssdb");
    fs::create_dir_all(&database).unwrap();
    let folder = format!("sql:{}", database.display());
    let made = Command::new("certutil").args(["-N", "--empty-password", "-d", &folder]).status();
    assert!(made.expect("tests/run installs certutil").success());
    let line = said.lines().find_map(|line| line.strip_prefix("Chrome on Linux")).expect("it says how");
    let (line, _) = line.split_once("        of ").expect("and where certutil is from");
    let done = Command::new("sh").args(["-c", line]).current_dir(home.join("tls")).env("HOME", home).status();
    assert!(done.unwrap().success(), "{line}");
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn openssl(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

/// OpenSSL's word on a certificate, as strict as it can be.
fn verified(made: &Made, certificate: &Path, what: &[&str]) -> Output {
    let mut verify = Command::new("openssl");
    verify.args(["verify", "-x509_strict", "-check_ss_sig", "-purpose", "sslserver", "-no-CApath"]).args(what);
    verify.arg("-CAfile").arg(made.file("authority.pem")).arg(certificate).output().unwrap()
}

/// A server of OpenSSL's own, and its port.
fn server(certificate: &Path, key: &Path) -> (Program, String) {
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cert"]).arg(certificate).arg("-key").arg(key);
    let mut program = Program::start(&mut command);
    let port = program.line("ACCEPT 127.0.0.1:").expect("it listens");
    (program, port)
}

#[test]
fn openssl_takes_it_for_its_names_and_for_no_other() {
    let made = Made::new(&["mail.dev.test", "*.apps.dev.test", "192.0.2.7", "2001:db8::7"]);
    let certificate = made.file("mail.dev.test/certificate.pem");
    for name in [
        ["-verify_hostname", "mail.dev.test"],
        ["-verify_hostname", "a.apps.dev.test"],
        ["-verify_ip", "192.0.2.7"],
        ["-verify_ip", "2001:db8::7"],
    ] {
        let output = verified(&made, &certificate, &name);
        assert!(output.status.success(), "{name:?}: {}", text(&output.stderr));
    }
    for name in
        [["-verify_hostname", "dev.test"], ["-verify_hostname", "a.b.apps.dev.test"], ["-verify_ip", "192.0.2.8"]]
    {
        assert!(!verified(&made, &certificate, &name).status.success(), "{name:?}");
    }
    let output = verified(&made, &certificate, &["-purpose", "sslclient"]);
    assert!(!output.status.success(), "it is a server's only");
    let lints =
        openssl(Command::new("openssl").args(["x509", "-noout", "-text", "-in"]).arg(made.file("authority.pem")));
    for part in
        ["CA:TRUE, pathlen:0", "Name Constraints: critical", "TLS Web Server Authentication", "Certificate Sign"]
    {
        assert!(lints.contains(part), "{part}: {lints}");
    }
}

#[test]
fn whoever_steals_the_authority_is_believed_to_be_nobody_else() {
    for (made_for, name, check) in [
        ("mail.dev.test", "www.bank.example", "-verify_hostname"),
        ("mail.dev.test", "198.51.100.1", "-verify_ip"),
        ("192.0.2.7", "www.bank.example", "-verify_hostname"),
        ("192.0.2.7", "2001:db8::1", "-verify_ip"),
    ] {
        let made = Made::new(&[made_for]);
        let (certificate, _) = made.stolen(name);
        let output = verified(&made, &certificate, &[check, name]);
        assert!(text(&output.stderr).contains("permitted subtree violation"), "{name}: {}", text(&output.stderr));
    }
    // The way to make them is right: what the authority may sign for is believed.
    let made = Made::new(&["mail.dev.test"]);
    let (certificate, _) = made.stolen("mail.dev.test");
    assert!(verified(&made, &certificate, &["-verify_hostname", "mail.dev.test"]).status.success());
}

#[test]
fn curl_python_and_node_take_it_when_they_trust_the_authority() {
    let made = Made::new(&["mail.dev.test", "127.0.0.1"]);
    let (_server, port) = server(&made.file("mail.dev.test/certificate.pem"), &made.file("mail.dev.test/key.pem"));
    let authority = made.file("authority.pem");
    let curl = |url: &str, trusted: bool| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*", "--output", "/dev/null"]);
        for name in ["mail.dev.test", "other.test"] {
            curl.args(["--resolve", &format!("{name}:{port}:127.0.0.1")]);
        }
        if trusted {
            curl.arg("--cacert").arg(&authority);
        }
        curl.arg(format!("https://{url}:{port}/")).output().unwrap().status.code()
    };
    assert_eq!(curl("mail.dev.test", true), Some(0));
    assert_eq!(curl("127.0.0.1", true), Some(0));
    assert_eq!(curl("mail.dev.test", false), Some(60), "nobody trusts it by itself");
    assert_eq!(curl("other.test", true), Some(60));

    let python = "import socket, ssl, sys\n\
        context = ssl.create_default_context(cafile=sys.argv[1])\n\
        context.verify_flags |= ssl.VERIFY_X509_STRICT\n\
        with socket.create_connection(('127.0.0.1', int(sys.argv[2]))) as plain:\n    \
            context.wrap_socket(plain, server_hostname='mail.dev.test').close()";
    let node = "require('tls').connect({ host: '127.0.0.1', port: process.argv[2], servername: 'mail.dev.test', \
        ca: require('fs').readFileSync(process.argv[1]) }, function () { this.destroy(); })";
    for (program, flag, script) in [("python3", "-c", python), ("node", "-e", node)] {
        let output = Command::new(program)
            .args([flag, script])
            .arg(&authority)
            .arg(&port)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{program}: {}", text(&output.stderr));
    }
}

#[test]
fn chromium_takes_it_after_the_command_that_is_printed_and_holds_the_authority_to_its_names() {
    tool("playwright/node_modules/playwright-core/package.json");
    let made = Made::new(&["mail.dev.test", "*.apps.dev.test", "127.0.0.1"]);
    let (_server, port) = server(&made.file("mail.dev.test/certificate.pem"), &made.file("mail.dev.test/key.pem"));
    let (stolen, key) = made.stolen("bank.test");
    let (_thief, thief) = server(&stolen, &key);
    let urls = [
        format!("https://mail.dev.test:{port}/"),
        format!("https://a.apps.dev.test:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("https://other.test:{port}/"),
        format!("https://bank.test:{thief}/"),
    ];
    let told = |expected: [&str; 5]| {
        let mut script = Program::start(
            Command::new("node")
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/trusted.mjs"))
                .args(&urls)
                .env("TEST_TOOLS", tools())
                .env("HOME", made.home.path()),
        );
        for (url, expected) in urls.iter().zip(expected) {
            assert_eq!(script.line(&format!("{url} ")).as_deref(), Some(expected), "{url}");
        }
        assert!(script.wait().success());
    };
    told(["ERR_CERT_AUTHORITY_INVALID"; 5]);
    trust_in_browsers(made.home.path(), &made.said);
    told(["ok", "ok", "ok", "ERR_CERT_COMMON_NAME_INVALID", "ERR_CERT_INVALID"]);
}
