//! What `doctor` says of the certificates that the gate shows: their dates, which need no key and no running daemon.

use std::time::SystemTime;

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
                    report.findings.push(Finding::new("certificate", Severity::Warning, seen, why));
                }
            }
            Err(error) => report.unseen.push(format!("until when a certificate is good: {error}")),
        }
    }
    report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::config::model::{CertificateFiles, TlsVersion};

    #[test]
    fn one_out_of_its_time_is_a_warning_and_its_key_need_not_be_readable() {
        let folder = tempfile::tempdir().unwrap();
        let cert = folder.path().join("cert.pem");
        let pair = rcgen::generate_simple_self_signed(["dev.test".to_owned()]).unwrap();
        std::fs::write(&cert, pair.cert.pem()).unwrap();
        let files = |cert| CertificateFiles { cert, key: folder.path().join("no.key") };
        let certificates = vec![files(cert), files(folder.path().join("none.pem"))];
        let config = TlsConfig { certificates, min_version: TlsVersion::Tls12, http2: true, clients: None };
        let mut report = Report::default();
        look(&config, SystemTime::now(), &mut report);
        assert_eq!((report.findings.len(), report.unseen.len()), (0, 1), "{report}");
        // It begins in 1975.
        look(&config, SystemTime::UNIX_EPOCH, &mut report);
        assert_eq!(report.count(Severity::Warning), 1, "{report}");
        assert!(report.findings[0].seen.contains("cert.pem is not valid before 1975-01-01"), "{report}");
    }
}
