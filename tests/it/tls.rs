//! TLS of the gate's own.

mod certificates;
mod clients;
mod handshake;
mod http;
mod resumption;

use std::net::SocketAddr;
use std::path::Path;

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{Builder, Gate};
use crate::support::raw::Client;
use crate::support::tls::{Authority, TlsClient};

/// A gate with TLS at one address and without at another, and what tests need beside it.
struct Secured {
    gate: Gate,
    authority: Authority,
    client: TlsClient,
    files: tempfile::TempDir,
    catcher: Catcher,
}

impl Secured {
    fn start() -> Self {
        Self::with("", |gate| gate)
    }

    /// With more of the table `[tls]`, in which `DIR` is the folder of the files, and a gate that `more` has changed.
    fn with(tls: &str, more: impl FnOnce(Builder) -> Builder) -> Self {
        let authority = Authority::new();
        Self::of(authority, |_, _| {}, tls, more)
    }

    /// The same after `prepare` has written further files.
    fn of(
        authority: Authority,
        prepare: impl FnOnce(&Authority, &Path),
        tls: &str,
        more: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let catcher = Catcher::start(Options::default());
        let files = tempfile::tempdir().unwrap();
        authority.server(&["dev.test"]).write(files.path(), "dev");
        prepare(&authority, files.path());
        let tls = table(files.path(), tls);
        let gate = Gate::to(catcher.http_addr()).listen(r#"["https://127.0.0.1:0", "127.0.0.1:0"]"#).with_status();
        let gate = more(gate).config(&tls).start();
        let client = TlsClient::trusting(&authority);
        Self { gate, authority, client, files, catcher }
    }

    /// Where TLS is spoken.
    fn addr(&self) -> SocketAddr {
        self.gate.addr()
    }

    /// Where it is not.
    fn plain_addr(&self) -> SocketAddr {
        self.gate.addrs()[1]
    }

    /// A connection over TLS.
    fn connect(&self) -> Client {
        self.client.connect(self.addr(), "dev.test")
    }

    fn failures(&self, reason: &str) -> Option<f64> {
        self.gate.metric(&format!("mailwarden_tls_handshake_failures_total{{reason=\"{reason}\"}}"))
    }
}

/// The table `[tls]` with the default pair of a folder, and `more`.
fn table(folder: &Path, more: &str) -> String {
    let text = format!("[tls]\ncert_file = \"DIR/dev.pem\"\nkey_file = \"DIR/dev.key\"\n{more}\n");
    text.replace("DIR", &folder.display().to_string())
}
