//! What messages there are: by the list, or one by one where the catcher fails over it.

use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::run::Failure;
use super::store::{Fault, Looked, Store};
use crate::catcher::{self, Message, MessageId};

/// When the list cannot be had and nothing is known of the ids, so many in a row that are not there end the search.
const FAR: u64 = 2000;
/// No more messages than a list may have are looked at.
const MOST: u64 = catcher::MOST as u64;

/// The list, or what can be found one by one where the catcher fails over its list.
pub(super) async fn listed(
    store: &Store,
    known: Option<(u64, u64)>,
    stop: &CancellationToken,
) -> Result<Vec<Message>, Failure> {
    match store.list().await {
        Ok(messages) => Ok(messages),
        Err(Fault::Status(500..=599)) if store.mailbox.can_be_probed() => {
            tracing::warn!("purge: the catcher's list fails; its messages are looked at one by one");
            probed(store, known, stop).await
        }
        Err(fault) => Err(Failure::of(fault, Failure::List)),
    }
}

/// Looks at each id, from the lowest that was known on, until far beyond the highest none is there.
///
/// What the catcher cannot say anything of is as old as the next one is, at the least: ids ascend with arrival.
async fn probed(store: &Store, known: Option<(u64, u64)>, stop: &CancellationToken) -> Result<Vec<Message>, Failure> {
    knows_what_is_not_there(store).await?;
    let mut messages: Vec<Message> = Vec::new();
    if let Some(known) = known {
        messages = probed_from(store, known, stop).await?;
    }
    if messages.is_empty() {
        // Nothing was known, or all was cleared since and ids begin anew.
        messages = probed_from(store, (1, 0), stop).await?;
    }
    if messages.is_empty() {
        return Err(Failure::List(Fault::Status(500)));
    }
    let mut newer = None;
    for message in messages.iter_mut().rev() {
        message.received = message.received.or(newer);
        newer = message.received;
    }
    Ok(messages)
}

/// Whether the catcher can tell what is there from what is not: no message has the id 0. One that fails over everything
/// would be searched for ever.
async fn knows_what_is_not_there(store: &Store) -> Result<(), Failure> {
    let zero = MessageId::Number(0);
    let (looked, _) = store.look(&zero).await.map_err(|fault| Failure::of(fault, Failure::List))?;
    if looked == Looked::Gone { Ok(()) } else { Err(Failure::List(Fault::Status(500))) }
}

async fn probed_from(
    store: &Store,
    (lowest, highest): (u64, u64),
    stop: &CancellationToken,
) -> Result<Vec<Message>, Failure> {
    let mut messages: Vec<Message> = Vec::new();
    let mut pace = Pace::default();
    let (mut id, mut last) = (lowest, highest);
    let (mut looks, mut unsayable) = (0u64, 0u64);
    while id <= last.saturating_add(FAR) {
        if looks == MOST {
            return Err(Failure::List(Fault::Unreadable("there are too many ids to look at each".to_owned())));
        }
        looks += 1;
        if stop.is_cancelled() {
            return Err(Failure::Stopped);
        }
        let name = MessageId::Number(id);
        let (looked, took) = store.look(&name).await.map_err(|fault| Failure::of(fault, Failure::List))?;
        unsayable = if looked == Looked::Unsayable { unsayable + 1 } else { 0 };
        if unsayable > FAR {
            // So many may be there; or the catcher fails over everything by now.
            knows_what_is_not_there(store).await?;
            unsayable = 0;
        }
        let found = match looked {
            Looked::There(message) => Some(message),
            Looked::Unsayable => Some(Message { id: name, received: None, size: 0 }),
            Looked::Gone => None,
        };
        if let Some(found) = found {
            messages.push(found);
            last = last.max(id);
        }
        if let Some(pause) = pace.took(took) {
            tokio::time::sleep(pause).await;
        }
        let Some(next) = id.checked_add(1) else { break };
        id = next;
    }
    Ok(messages)
}

/// The id, if it is a number.
pub(super) fn number(id: &MessageId) -> Option<u64> {
    match id {
        MessageId::Number(number) => Some(*number),
        MessageId::Name(_) => None,
    }
}

/// The lowest and the highest number.
pub(super) fn span<'a>(ids: impl IntoIterator<Item = &'a MessageId>) -> Option<(u64, u64)> {
    ids.into_iter().filter_map(number).fold(None, |span, number| {
        let (low, high) = span.unwrap_or((number, number));
        Some((low.min(number), high.max(number)))
    })
}
