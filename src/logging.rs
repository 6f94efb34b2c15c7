//! The log of everything but requests: to standard error, by level, in lines for people or as JSON.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{self, format::Writer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, registry};

use crate::config::model::{LogConfig, LogFormat};

/// Starts logging. The second call in a process changes nothing.
pub fn start(config: &LogConfig) {
    let ours = tracing::Level::from(config.level);
    // Libraries have their say only where ours has every detail.
    let others = if ours == tracing::Level::TRACE { tracing::Level::DEBUG } else { tracing::Level::WARN };
    let levels = Targets::new().with_default(others.min(ours)).with_target(env!("CARGO_CRATE_NAME"), ours);
    let lines = fmt::layer().with_writer(std::io::stderr).with_timer(Utc).with_target(false).with_ansi(false);
    let lines = match config.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text | LogFormat::Combined => lines.boxed(),
    };
    let _ = registry().with(lines.with_filter(levels)).try_init();
}

/// RFC 3339 in UTC with milliseconds, as in the access log.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{:.3}", jiff::Timestamp::now())
    }
}
