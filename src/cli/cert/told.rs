//! What `mailwarden cert` prints: where things are, and what to do with them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

use crate::auth::users::{ownership, shell_word};
use crate::cert::{Group, Says, files};

/// The files of a new certificate, by their full names.
pub(super) struct Place {
    certificate: PathBuf,
    key: PathBuf,
}

impl Place {
    pub(super) fn of(folder: &Path) -> Self {
        let (certificate, key) = files(&full(folder));
        Self { certificate, key }
    }

    fn owner(&self) -> String {
        fs::metadata(&self.key).map(|found| ownership(&found)).unwrap_or_default()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.certificate.display())?;
        writeln!(f, "  {}  {}", self.key.display(), self.owner())
    }
}

/// What to write, and who has to be able to read it.
pub(super) fn configuration(place: &Place, group: Group) -> String {
    let (certificate, key) = (quoted(&place.certificate), quoted(&place.key));
    let readable = match group {
        Group::Number(_) => "The daemon's user has to be in that group to read the key.\n".to_owned(),
        Group::Nobody => {
            let key = shell_word(&place.key);
            format!(
                "The key is its owner's alone. For a daemon of another user (--group does it at once):\n  \
                 sudo chgrp mailwarden {key} && sudo chmod 640 {key}\n"
            )
        }
    };
    format!(
        "{readable}New dates before then, without a restart: mailwarden cert renew\n\n\
         In mailwarden.toml (in a container, with the paths there):\n\n\
         listen = [\"https://0.0.0.0:8443\", \"https://[::]:8443\"]\n\n\
         [tls]\n\
         cert_file = {certificate}\n\
         key_file = {key}\n"
    )
}

/// An authority, and what it may sign for.
pub(super) fn described(says: &Says, what: &str) -> String {
    format!(
        "{what} \"{}\", until {}; it may sign for {}\n",
        says.common_name,
        day(says.not_after),
        if says.scopes.is_empty() { "anything".to_owned() } else { list(&says.scopes) }
    )
}

/// How to trust an authority, system by system.
pub(super) fn trust(trusted: &Path, says: &Says, der: &[u8]) -> String {
    let number = says.common_name.split(' ').nth(2).unwrap_or("authority");
    let name = format!("mailwarden-{}", shell_word(Path::new(number)));
    let file = trusted.file_name().map(PathBuf::from).unwrap_or_default();
    let file = shell_word(&file);
    let full = full(trusted);
    format!(
        "\nWhoever opens the pages trusts the authority, once, with a copy of {}\n\
         (SHA-256 {}).\n\
         Its key stays here: whoever has that is believed to be any of its names.\n\n\
         Debian, Ubuntu   sudo cp {file} /usr/local/share/ca-certificates/{name}.crt && sudo update-ca-certificates\n\
         Fedora, RHEL     sudo cp {file} /etc/pki/ca-trust/source/anchors/{name}.pem && sudo update-ca-trust\n\
         macOS            sudo security add-trusted-cert -d -r trustRoot -p ssl -k /Library/Keychains/System.keychain {file}\n\
         Windows          certutil -addstore Root {file}        as administrator; for oneself: certutil -user -addstore Root {file}\n\
         Chrome on Linux  certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n {name} -i {file}        of libnss3-tools, nss-tools\n\
         Firefox          Settings, Privacy & Security, View Certificates, Authorities, Import; or, in each profile's folder:\n\
         \x20                certutil -d sql:. -A -t C,, -n {name} -i {file}\n\
         curl             curl --cacert {file} https://NAME:8443/\n",
        full.display(),
        fingerprint(der),
    )
}

/// By which people compare a certificate.
pub(super) fn fingerprint(der: &[u8]) -> String {
    let bytes: Vec<String> = Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

/// A certificate of a PEM file: the first one.
pub(super) fn certificate(pem: &str) -> Option<(Vec<u8>, Says)> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    Says::read(&der).ok().map(|says| (der.to_vec(), says))
}

/// The day, in UTC.
pub(super) fn day(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).date().to_string()
}

/// All of them, with commas.
pub(super) fn list(all: &[impl fmt::Display]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The whole path: a configuration is read from another folder.
pub(super) fn full(path: &Path) -> PathBuf {
    fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.into())
}

/// The path as TOML has a string.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_so_that_toml_reads_it_back() {
        for path in ["/etc/mailwarden/tls", "/a \"b\" \\c/ü"] {
            let read: toml::Table = format!("x = {}", quoted(Path::new(path))).parse().unwrap_or_default();
            assert_eq!(read.get("x").and_then(toml::Value::as_str), Some(path));
        }
    }
}
