//! What `doctor --from-outside` says of what the gate speaks: TLS that this machine trusts, or passwords in clear text.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::isolation::facts::Setup;
use crate::isolation::findings::{Finding, Report, Severity};
use crate::isolation::outside::spoken::{ByTls, by_tls, in_clear};
use crate::purge::alert::trust;

/// What it means that a request was sent by the way that TLS goes: 308 is what `redirect` answers.
const SENT_TO_TLS: u16 = 308;

/// Looks at the gate's ports that are open; people call the machine `host`.
pub(super) fn look(setup: &Setup, host: &str, open: &[SocketAddr], report: &mut Report) {
    let mut trusted = None;
    for at in open {
        let is_in_clear = setup.in_clear.iter().any(|addr| addr.port() == at.port());
        if is_in_clear {
            report.findings.extend(in_clear(*at, host).and_then(|status| judge_clear(*at, status)));
            continue;
        }
        match trusted.get_or_insert_with(|| trust().map(Arc::new)) {
            Ok(config) => report.findings.push(judge_tls(*at, &by_tls(*at, host, config))),
            Err(error) => report.unseen.push(format!("whether {at} shows a certificate to be trusted: {error}")),
        }
    }
}

fn judge_clear(at: SocketAddr, status: u16) -> Option<Finding> {
    (status != SENT_TO_TLS).then(|| {
        Finding::new(
            "plain-http",
            Severity::Warning,
            format!("the gate's {at} speaks to here without TLS"),
            "Passwords and mail cross the network between these machines readable.",
        )
        .mended_by(["sudo mailwarden doctor    # on that machine: it says how to have TLS"])
    })
}

fn judge_tls(at: SocketAddr, spoken: &ByTls) -> Finding {
    match spoken {
        ByTls::Trusted => Finding::new(
            "tls",
            Severity::Info,
            format!("the gate's {at} speaks TLS"),
            "Its certificate is for that name, and this machine trusts who signed it.",
        ),
        ByTls::Distrusted(why) => Finding::new(
            "certificate",
            Severity::Warning,
            format!("this machine does not trust the certificate at {at}: {why}"),
            "Browsers here refuse it, and people get used to clicking that away.",
        )
        .mended_by([
            "mailwarden cert show    # on that machine: how to trust its authority, and for which names it is",
        ]),
        ByTls::No(why) => Finding::new(
            "no-tls",
            Severity::Warning,
            format!("{at} should speak TLS, and does not to here: {why}"),
            "Is that the gate? This machine's configuration, or --listen, says so.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_readable_or_not_trusted_is_a_warning() {
        let at = SocketAddr::from(([192, 0, 2, 1], 8443));
        let tls = |spoken| {
            let finding = judge_tls(at, &spoken);
            (finding.id, finding.severity)
        };
        assert_eq!(tls(ByTls::Trusted), ("tls", Severity::Info));
        assert_eq!(tls(ByTls::Distrusted("expired".to_owned())), ("certificate", Severity::Warning));
        assert_eq!(tls(ByTls::No("eof".to_owned())), ("no-tls", Severity::Warning));
        assert_eq!(judge_clear(at, 308), None);
        assert_eq!(judge_clear(at, 401).map(|finding| finding.severity), Some(Severity::Warning));
    }
}
