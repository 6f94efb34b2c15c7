//! The log of everything but requests: to standard error, by level, in lines for people or as JSON.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{self, MakeWriter, format::Writer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, registry};

use crate::config::model::{LogConfig, LogFormat};
use crate::sink::{Sink, Trouble};

/// The log, while the process runs.
#[derive(Debug)]
pub struct Log(Arc<Sink>);

impl Log {
    /// Waits until what has been said is written, for at most a second: whoever reads it may have stopped reading.
    pub fn flush(&self) {
        self.0.flush(Duration::from_secs(1));
    }
}

/// Starts logging. The second call in a process changes nothing.
///
/// # Errors
/// When the thread that writes cannot be started.
pub fn start(config: &LogConfig) -> io::Result<Log> {
    // What cannot be written to standard error can be said nowhere.
    let sink = Arc::new(Sink::start(io::stderr(), "log", |trouble| {
        if let Trouble::Dropped(dropped) = trouble {
            tracing::warn!(dropped, "lines of this log were dropped: standard error was not read in time");
        }
    })?);
    let ours = tracing::Level::from(config.level);
    // Libraries have their say only where ours has every detail.
    let others = if ours == tracing::Level::TRACE { tracing::Level::DEBUG } else { tracing::Level::WARN };
    let levels = Targets::new().with_default(others.min(ours)).with_target(env!("CARGO_CRATE_NAME"), ours);
    let lines = fmt::layer().with_writer(Lines(Arc::clone(&sink))).with_timer(Utc).with_target(false).with_ansi(false);
    let lines = match config.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text | LogFormat::Combined => lines.boxed(),
    };
    let _ = registry().with(lines.with_filter(levels)).try_init();
    Ok(Log(sink))
}

/// Gives each event to the sink, which is written to once an event.
struct Lines(Arc<Sink>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

struct Line<'a>(&'a Sink);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// RFC 3339 in UTC with milliseconds, as in the access log.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{:.3}", jiff::Timestamp::now())
    }
}
