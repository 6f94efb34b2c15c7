//! Why a connection did not become one of TLS: for a metric, and for the log.

use std::fmt;
use std::io;

use rustls::{AlertDescription, Error};

/// Why a connection did not become one of TLS.
#[derive(Debug)]
pub enum Failed {
    /// The client sent nothing.
    Silent,
    /// The handshake took too long.
    Late,
    /// HTTP came without TLS, and was told so.
    Plain,
    /// The client's certificate does not hold any more, or it has none and needs one.
    Certificate,
    /// The client broke off, or the two did not agree.
    Broken(io::Error),
}

impl Failed {
    /// In a word or two, the same for all of a kind.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        let error = match self {
            Failed::Silent => return "silent",
            Failed::Late => return "timeout",
            Failed::Plain => return "plain http",
            Failed::Certificate => return "client certificate",
            Failed::Broken(error) => error,
        };
        match error.get_ref().and_then(|cause| cause.downcast_ref::<Error>()) {
            None => "broke off",
            Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => "nothing in common",
            Some(Error::NoCertificatesPresented | Error::InvalidCertificate(_)) => "client certificate",
            Some(Error::AlertReceived(alert)) => match alert {
                AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA => "certificate refused",
                _ => "client alert",
            },
            Some(_) => "malformed",
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Silent => f.write_str("the client sent nothing"),
            Failed::Late => f.write_str("it took too long"),
            Failed::Plain => f.write_str("HTTP came without TLS"),
            Failed::Certificate => f.write_str("the client's certificate does not hold"),
            Failed::Broken(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Failed::Broken(error) => error.source(),
            _ => None,
        }
    }
}
