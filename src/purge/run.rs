//! One attempt at a purge: list, decide, delete one by one, and look again whether it is so.
//!
//! MailCatcher gives an id to another message once the newest or all are gone, so the newest goes last, a clear that
//! somebody else does ends the attempt, and what came under an id since is not touched. Its bulk call takes what arrived
//! since the list, and everybody's time: it is made only where everything is meant, and little is there.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::archive::Archive;
pub use super::failure::Failure;
use super::look::{listed, number, span};
use super::pace::Pace;
use super::retention::{Decision, Over, Rule, decide};
use super::store::{Fault, Looked, Store};
use super::witness::Witness;
use crate::catcher::{Message, MessageId};

/// So many messages may be deleted by one call: with MailCatcher it takes under 50 ms.
pub const SMALL: usize = 1000;
/// When so many deletions in a row fail, the rest will too.
const ENOUGH_FAILED: usize = 10;
/// How late news from the socket may be.
const NEWS: Duration = Duration::from_millis(500);

/// What is asked of an attempt.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// What goes.
    pub rule: Rule,
    /// Where a copy is kept of what goes.
    pub archive: Option<&'a Archive>,
    /// Ends it between two messages.
    pub stop: &'a CancellationToken,
    /// The ids that there were the last time, for a list that cannot be had.
    pub known: Option<(u64, u64)>,
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many of so many are deleted.
    Deleted(usize, usize),
    /// The list is looked at again.
    Confirming,
}

/// What came of an attempt, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tally {
    /// Messages that had to go.
    pub decided: usize,
    /// That the catcher said are deleted, by this attempt or by somebody else.
    pub deleted: usize,
    /// That the list shows gone.
    pub confirmed: usize,
    /// That came meanwhile.
    pub arrived: usize,
    /// The lowest and the highest id that are left.
    pub left: Option<(u64, u64)>,
}

/// What would go, for a look without deleting.
///
/// # Errors
/// [`Failure`].
pub async fn plan(store: &Store, rule: &Rule, known: Option<(u64, u64)>) -> Result<Decision, Failure> {
    let stop = CancellationToken::new();
    let messages = listed(store, known, &stop).await?;
    Ok(decide(messages, rule, Timestamp::now()))
}

/// One attempt. What was done is told even when it failed.
pub async fn attempt(
    store: &Store,
    job: &Job<'_>,
    progress: &mut (dyn FnMut(Step) + Send),
) -> (Tally, Result<(), Failure>) {
    let mut tally = Tally::default();
    let result = attempted(store, job, progress, &mut tally).await;
    (tally, result)
}

async fn attempted(
    store: &Store,
    job: &Job<'_>,
    progress: &mut (dyn FnMut(Step) + Send),
    tally: &mut Tally,
) -> Result<(), Failure> {
    // Before the list, so that nothing happens unseen between the two.
    let witness = Witness::begin(store).await;
    let messages = listed(store, job.known, job.stop).await?;
    let Decision { going, staying } = decide(messages, &job.rule, Timestamp::now());
    tally.decided = going.len();
    // All of them, until the list says otherwise: an attempt that ends before may have deleted none.
    tally.left = span(going.iter().map(|(message, _)| &message.id).chain(&staying));
    if going.is_empty() {
        return Ok(());
    }
    let ids = going.iter().filter_map(|(message, _)| number(&message.id));
    let purging = store.inbox.purging(ids, oldest(&going, &staying));
    let in_one_call = job.rule.is_everything()
        && job.archive.is_none()
        && (going.len() <= SMALL || store.mailbox.deletes_all_quickly());
    let deleted = if in_one_call {
        store
            .delete_all()
            .await
            .map_err(|fault| Failure::of(fault, Failure::Delete))
            .map(|()| tally.deleted = going.len())
    } else {
        delete(store, job, witness.as_ref(), &going, progress, tally).await
    };
    // What was deleted until then is counted all the same, unless it makes no sense to ask.
    if matches!(deleted, Err(Failure::Unreachable(_) | Failure::Stopped)) {
        return deleted;
    }
    progress(Step::Confirming);
    let confirmed = confirm(store, witness.as_ref(), &going, &staying, tally, in_one_call).await;
    drop(purging);
    deleted.and(confirmed)
}

/// Deletes what goes, one by one, oldest first.
async fn delete(
    store: &Store,
    job: &Job<'_>,
    witness: Option<&Witness>,
    going: &[(Message, Over)],
    progress: &mut (dyn FnMut(Step) + Send),
    tally: &mut Tally,
) -> Result<(), Failure> {
    let mut pace = Pace::default();
    let mut failed_in_a_row = 0;
    let mut failed = None;
    for (at, (message, _)) in going.iter().enumerate() {
        if job.stop.is_cancelled() {
            return Err(Failure::Stopped);
        }
        match gone(store, job, witness, message).await? {
            Gone::Cleared => {
                tracing::info!("purge: somebody cleared the catcher meanwhile");
                return failed.map_or(Ok(()), Err);
            }
            Gone::Another => continue,
            Gone::WithoutUs => {
                tally.deleted += 1;
                failed_in_a_row = 0;
            }
            Gone::Deleted(took) => {
                tally.deleted += 1;
                failed_in_a_row = 0;
                if let Some(witness) = witness {
                    witness.prove(&message.id, NEWS).await;
                }
                if let Some(pause) = pace.took(took) {
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = job.stop.cancelled() => {}
                    }
                }
            }
            Gone::Stays(failure) => {
                failed_in_a_row += 1;
                if failed_in_a_row >= ENOUGH_FAILED {
                    return Err(failure);
                }
                failed.get_or_insert(failure);
            }
        }
        progress(Step::Deleted(at + 1, going.len()));
    }
    failed.map_or(Ok(()), Err)
}

/// What became of a message that had to go.
enum Gone {
    /// This attempt deleted it; how long it took.
    Deleted(Duration),
    /// Somebody else did.
    WithoutUs,
    /// So did somebody, and what has its id now came later.
    Another,
    /// With everything else, by somebody.
    Cleared,
    /// It did not go.
    Stays(Failure),
}

/// Keeps a copy of a message if one is wanted, and deletes it.
///
/// # Errors
/// What ends the attempt: the other messages would fare no better, or a catcher that did not answer may have been
/// restarted, and then its ids are other messages' by now.
async fn gone(store: &Store, job: &Job<'_>, witness: Option<&Witness>, message: &Message) -> Result<Gone, Failure> {
    if let Some(gone) = went(store, witness, message).await? {
        return Ok(gone);
    }
    if let Some(archive) = job.archive {
        match store.source(&message.id).await {
            Ok(Some(source)) => {
                archive.keep(message, &source).map_err(|error| Failure::Archive(error.to_string()))?;
            }
            // What has its id by the next moment would be another, of which there is no copy.
            Ok(None) => return Ok(Gone::WithoutUs),
            Err(Fault::Unreachable(why)) => return Err(Failure::Unreachable(why)),
            Err(fault @ Fault::NoAnswer(_)) => {
                return Err(Failure::Archive(format!("the catcher does not give it: {fault}")));
            }
            Err(fault) => {
                return Ok(Gone::Stays(Failure::Archive(format!("the catcher does not give it: {fault}"))));
            }
        }
        // The copy took its time.
        if let Some(gone) = went(store, witness, message).await? {
            return Ok(gone);
        }
    }
    match store.delete(&message.id).await {
        Ok(took) => Ok(Gone::Deleted(took)),
        Err(Fault::Unreachable(why)) => Err(Failure::Unreachable(why)),
        Err(fault @ Fault::NoAnswer(_)) => Err(Failure::Delete(fault)),
        Err(fault) => Ok(Gone::Stays(Failure::Delete(fault))),
    }
}

/// What became of a message without us, if it is not there any more.
async fn went(store: &Store, witness: Option<&Witness>, message: &Message) -> Result<Option<Gone>, Failure> {
    if let Some(witness) = witness {
        witness.catch_up().await;
    }
    match witness {
        Some(witness) if witness.saw_a_clear() => return Ok(Some(Gone::Cleared)),
        Some(witness) if witness.is_blind() => return Err(Failure::Blind),
        Some(witness) if witness.saw_arrive(&message.id) => return Ok(Some(Gone::Another)),
        Some(witness) if witness.saw_go(&message.id) => return Ok(Some(Gone::WithoutUs)),
        Some(witness) if witness.is_proven() => return Ok(None),
        _ => {}
    }
    Ok((store.mailbox.reuses_ids() && !is_still(store, message).await?).then_some(Gone::Another))
}

/// Whether what has this id is the message that was listed.
async fn is_still(store: &Store, message: &Message) -> Result<bool, Failure> {
    let (looked, _) = store.look(&message.id).await.map_err(|fault| Failure::of(fault, Failure::Delete))?;
    Ok(match looked {
        // The list's date may be that of the next message, where it has none of its own.
        Looked::There(found) => {
            found.size == message.size && found.received.is_none_or(|received| Some(received) == message.received)
        }
        // What was listed with a size could be said.
        Looked::Unsayable => message.size == 0,
        Looked::Gone => false,
    })
}

/// Looks at the list again: what had to go is gone, what had to stay is there.
async fn confirm(
    store: &Store,
    witness: Option<&Witness>,
    going: &[(Message, Over)],
    staying: &[MessageId],
    tally: &mut Tally,
    in_one_call: bool,
) -> Result<(), Failure> {
    let known = span(going.iter().map(|(message, _)| &message.id).chain(staying));
    let stop = CancellationToken::new();
    let now = listed(store, known, &stop).await?;
    let now: HashMap<&MessageId, &Message> = now.iter().map(|message| (&message.id, message)).collect();
    let is_there = |message: &Message| {
        // Of what cannot be said, the date is another message's, and may be another's now.
        now.get(&message.id)
            .is_some_and(|found| found.size == message.size && (found.size == 0 || found.received == message.received))
            && !witness.is_some_and(|witness| witness.saw_arrive(&message.id))
    };
    // The bulk call takes what it takes, and is made only where everything is meant.
    let was_taken = |id: &&MessageId| {
        !in_one_call
            && !now.contains_key(*id)
            && witness.is_some_and(|witness| witness.is_proven() && !witness.saw_go(id) && !witness.is_blind())
    };
    let count = || {
        let left = going.iter().filter(|(message, _)| is_there(message)).count();
        (left, staying.iter().filter(was_taken).count())
    };
    let (mut left, mut lost) = count();
    if (left, lost) != (0, 0) {
        // What the socket told before the list was read may not have been read yet.
        tokio::time::sleep(NEWS).await;
        (left, lost) = count();
    }
    tally.confirmed = going.len() - left;
    tally.left = span(now.keys().copied());
    let stayed: HashSet<&MessageId> = staying.iter().filter(|id| now.contains_key(*id)).collect();
    tally.arrived = now.len().saturating_sub(stayed.len() + left);
    match (left, lost) {
        (0, 0) => Ok(()),
        (0, lost) => Err(Failure::Lost(lost)),
        (left, _) => Err(Failure::Left(left)),
    }
}

/// The one that is older than all others, if that one goes.
fn oldest(going: &[(Message, Over)], staying: &[MessageId]) -> Option<u64> {
    let oldest = number(&going.first()?.0.id)?;
    staying.iter().filter_map(number).all(|id| id > oldest).then_some(oldest)
}

/// How long to wait before the next attempt: longer each time, no longer than five minutes.
#[must_use]
pub fn delay(attempts: u32) -> Duration {
    Duration::from_secs(2u64.saturating_pow(attempts.min(8))).min(Duration::from_secs(300))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_attempt_comes_later_each_time_and_within_five_minutes() {
        let delays: Vec<u64> = (1..12).map(|attempts| delay(attempts).as_secs()).collect();
        assert_eq!(delays, [2, 4, 8, 16, 32, 64, 128, 256, 256, 256, 256]);
        assert!(delay(u32::MAX) <= Duration::from_secs(300));
    }

    #[test]
    fn the_oldest_is_told_of_last_only_if_it_goes() {
        let going = |ids: &[u64]| -> Vec<(Message, Over)> {
            let message = |id: &u64| Message { id: MessageId::Number(*id), received: None, size: 1 };
            ids.iter().map(|id| (message(id), Over::Size)).collect()
        };
        let staying = |ids: &[u64]| ids.iter().map(|id| MessageId::Number(*id)).collect::<Vec<_>>();
        assert_eq!(oldest(&going(&[1, 3]), &staying(&[2, 4])), Some(1));
        assert_eq!(oldest(&going(&[3, 4]), &staying(&[2, 5])), None);
        assert_eq!(oldest(&going(&[3, 4]), &[]), Some(3));
        assert_eq!(oldest(&[], &staying(&[1])), None);
    }
}
