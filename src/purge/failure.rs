//! Why a purge failed, for whoever may read all of it and for anybody.

use std::fmt;

use super::store::Fault;

/// Why an attempt did not do what it had to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is not known which catcher it is, so it did not begin.
    Unknown(String),
    /// Another purge was at it all the time, so it did not begin.
    Busy,
    /// The catcher cannot be reached.
    Unreachable(String),
    /// It did not give its list.
    List(Fault),
    /// It did not delete.
    Delete(Fault),
    /// Its socket ended, so it is not known what its ids mean.
    Blind,
    /// So many are still there that had to go.
    Left(usize),
    /// So many are not there that had to stay, and nobody was seen to delete them.
    Lost(usize),
    /// A copy could not be kept.
    Archive(String),
    /// It was told to stop.
    Stopped,
}

impl Failure {
    pub(super) fn of(fault: Fault, else_it_is: fn(Fault) -> Failure) -> Self {
        match fault {
            Fault::Unreachable(why) => Failure::Unreachable(why),
            other => else_it_is(other),
        }
    }

    /// In a few words that anybody may read: no address, nothing that anybody else chose.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Failure::Unknown(_) => "it is not known which catcher it is",
            Failure::Busy => "another purge was at it all the time",
            Failure::Unreachable(_) => "the catcher cannot be reached",
            Failure::List(_) => "the catcher does not give its list",
            Failure::Delete(_) => "the catcher does not delete",
            Failure::Blind => "the catcher closed its socket meanwhile",
            Failure::Left(_) => "messages that had to go are still there",
            Failure::Lost(_) => "messages that had to stay are gone",
            Failure::Archive(_) => "copies cannot be kept",
            Failure::Stopped => "it was stopped",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unknown(why) => write!(f, "{}: {why}", self.kind()),
            Failure::Unreachable(why) => write!(f, "the catcher cannot be reached: {why}"),
            Failure::List(fault) => write!(f, "the catcher does not give its list: {fault}"),
            Failure::Delete(fault) => write!(f, "the catcher does not delete: {fault}"),
            Failure::Left(count) => write!(f, "{count} of the messages that had to go are still there"),
            Failure::Lost(count) => write!(f, "{count} of the messages that had to stay are gone"),
            Failure::Archive(why) => write!(f, "a copy cannot be kept, so the message stays: {why}"),
            Failure::Busy | Failure::Blind | Failure::Stopped => f.write_str(self.kind()),
        }
    }
}
