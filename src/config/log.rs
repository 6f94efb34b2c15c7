//! What is logged, and how.

use std::fmt;

use super::model::name_of;

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// The least important level that is written.
    pub level: LogLevel,
    /// Whether each request gets a line.
    pub access: bool,
    /// The form of the lines.
    pub format: LogFormat,
}

/// How important a log line must be to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What stops the daemon or a part of it from working.
    Error,
    /// And what somebody should look at.
    Warn,
    /// And what happens in a day of service.
    Info,
    /// And each decision.
    Debug,
    /// And each step.
    Trace,
}

impl LogLevel {
    /// Every level by its name in the configuration.
    pub(super) const NAMES: &[(&str, LogLevel)] = &[
        ("error", LogLevel::Error),
        ("warn", LogLevel::Warn),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
        ("trace", LogLevel::Trace),
    ];
}

impl From<LogLevel> for tracing::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => tracing::Level::ERROR,
            LogLevel::Warn => tracing::Level::WARN,
            LogLevel::Info => tracing::Level::INFO,
            LogLevel::Debug => tracing::Level::DEBUG,
            LogLevel::Trace => tracing::Level::TRACE,
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(LogLevel::NAMES, *self))
    }
}

/// The form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
    /// Access lines as nginx and Apache write them, for tools that read those; all else as text.
    Combined,
}

impl LogFormat {
    /// Every format by its name in the configuration.
    pub(super) const NAMES: &[(&str, LogFormat)] =
        &[("text", LogFormat::Text), ("json", LogFormat::Json), ("combined", LogFormat::Combined)];
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(LogFormat::NAMES, *self))
    }
}
