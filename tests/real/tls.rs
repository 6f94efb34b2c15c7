//! TLS before the programs that people and attackers have: OpenSSL, curl, scanners, a browser; with a certificate of
//! `mailwarden cert`.

/// Chromium, which trusts the authority, at the inbox.
mod browser;
/// A conformance suite for HTTP/2.
mod conformance;
/// Floods within HTTP/2, and plain load.
mod floods;
/// Handshakes that are slow, broken, or many.
mod handshakes;
/// OpenSSL's client: each version and cipher, resumption, renegotiation.
mod openssl;
/// sslyze and testssl.sh.
mod scanners;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{Builder, Gate, binary};

/// A gate that speaks TLS.
struct Served {
    gate: Gate,
    catcher: Catcher,
    home: tempfile::TempDir,
    /// What `cert new` has said.
    said: String,
}

const NAME: &str = "mail.dev.test";

impl Served {
    fn new() -> Self {
        Self::with(|builder, _| builder)
    }

    /// With what `more` adds, which is told the folder that the certificates are in.
    fn with(more: impl FnOnce(Builder, &Path) -> Builder) -> Self {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("tls");
        let mut made = binary();
        made.args(["cert", "new", NAME, "*.apps.dev.test", "127.0.0.1", "--days", "80"]);
        let output = made.arg("--dir").arg(&dir).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let catcher = Catcher::start(Options::default());
        let builder = Gate::to(catcher.http_addr()).listen(r#"["https://127.0.0.1:0"]"#).with_status();
        let builder = builder.config(&format!(
            "tls.cert_file = \"{0}/{NAME}/certificate.pem\"\ntls.key_file = \"{0}/{NAME}/key.pem\"",
            dir.display()
        ));
        let gate = more(builder, &dir).start();
        Self { gate, catcher, home, said: text(&output.stdout).to_owned() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join("tls").join(name)
    }

    fn port(&self) -> u16 {
        self.gate.addr().port()
    }

    /// A request of a person who trusts the authority and has a password; curl's exit code and the answer.
    fn curl(&self, arguments: &[&str], path: &str) -> Output {
        let (port, addr) = (self.port(), format!("{NAME}:{}:127.0.0.1", self.port()));
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*", "--resolve", &addr]);
        curl.args(["--user", "anna:secret", "--cacert"]).arg(self.file("authority.pem")).args(arguments);
        curl.arg(format!("https://{NAME}:{port}{path}")).stdin(Stdio::null()).output().unwrap()
    }

    /// That it goes on serving people.
    fn serves(&self) {
        let output = self.curl(&["--output", "/dev/null", "--write-out", "%{http_code}"], "/messages");
        assert_eq!(text(&output.stdout), "200", "{}", text(&output.stderr));
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
