//! What `doctor` says of the certificates that the gate shows: their dates, which need no key and no running daemon.

use std::path::Path;
use std::time::SystemTime;

use crate::auth::users::shell_word;
use crate::config::model::TlsConfig;
use crate::isolation::findings::{Finding, Report, Severity};
use crate::net::tls::files;

/// Adds what is wrong with them.
pub(super) fn look(config: &TlsConfig, now: SystemTime, report: &mut Report) {
    for shown in files::dates(config) {
        match shown {
            Ok(shown) => {
                if let Some(seen) = shown.warning(now) {
                    let why =
                        "Browsers refuse a certificate out of its time, and people get used to clicking that away.";
                    let finding = Finding::new("certificate", Severity::Warning, seen, why);
                    report.findings.push(finding.mended_by(renewal(&shown.file)));
                }
            }
            Err(error) => report.unseen.push(format!("until when a certificate is good: {error}")),
        }
    }
    report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
}

/// How a certificate gets new dates, where `mailwarden cert new` made it; of others only their makers know.
fn renewal(file: &Path) -> Option<String> {
    let folder = file.parent()?;
    let (name, dir) = (Path::new(folder.file_name()?), folder.parent()?);
    let is_ours = file.file_name()? == "certificate.pem" && dir.join("authority.pem").exists();
    is_ours.then(|| format!("sudo mailwarden cert renew {} --dir {}", shell_word(name), shell_word(dir)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::config::model::{CertificateFiles, TlsVersion};
    use crate::config::{Place, Written};

    #[test]
    fn one_out_of_its_time_is_a_warning_and_its_key_need_not_be_readable() {
        let folder = tempfile::tempdir().unwrap();
        let cert = folder.path().join("cert.pem");
        let pair = rcgen::generate_simple_self_signed(["dev.test".to_owned()]).unwrap();
        std::fs::write(&cert, pair.cert.pem()).unwrap();
        let at = || Written(Place::Default);
        let files = |cert| {
            let key = folder.path().join("no.key");
            CertificateFiles { cert, cert_at: at(), key, key_at: at() }
        };
        let certificates = vec![files(cert), files(folder.path().join("none.pem"))];
        let config = TlsConfig { certificates, min_version: TlsVersion::Tls12, http2: true, clients: None };
        let mut report = Report::default();
        look(&config, SystemTime::now(), &mut report);
        assert_eq!((report.findings.len(), report.unseen.len()), (0, 1), "{report}");
        // It begins in 1975.
        look(&config, SystemTime::UNIX_EPOCH, &mut report);
        assert_eq!(report.count(Severity::Warning), 1, "{report}");
        assert!(report.findings[0].seen.contains("cert.pem is not valid before 1975-01-01"), "{report}");
        assert_eq!(report.findings[0].mend, [""; 0], "{report}");
    }

    #[test]
    fn one_that_cert_new_made_comes_with_the_command_that_renews_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mail.test/certificate.pem");
        assert_eq!(renewal(&file), None);
        std::fs::write(folder.path().join("authority.pem"), "").unwrap();
        let command = format!("sudo mailwarden cert renew mail.test --dir {}", folder.path().display());
        assert_eq!(renewal(&file), Some(command));
        assert_eq!(renewal(&folder.path().join("mail.test/fullchain.pem")), None);
    }
}
