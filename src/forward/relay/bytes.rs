//! The tunnel of a catcher whose interface is not known: bytes, and nothing of our own among them.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until};

use super::End;
use crate::forward::tunnels::Place;

/// How long one direction may go on after the other has ended.
pub const LINGER: Duration = Duration::from_secs(60);

/// Relays bytes until both sides have closed, one breaks, or the tunnel has to leave its `place`. It stops reading where
/// the other side does not take more.
pub async fn bytes<C, U>(client: C, catcher: U, place: &Place) -> End
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_catcher, mut to_catcher) = tokio::io::split(catcher);
    let up = async {
        tokio::io::copy(&mut from_client, &mut to_catcher).await?;
        to_catcher.shutdown().await
    };
    let down = async {
        tokio::io::copy(&mut from_catcher, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::pin!(up, down);
    let (mut up_ended, mut down_ended) = (false, false);
    let mut linger = None;
    loop {
        let ended = tokio::select! {
            ended = &mut up, if !up_ended => { up_ended = true; ended }
            ended = &mut down, if !down_ended => { down_ended = true; ended }
            () = sleep_until(linger.unwrap_or_else(Instant::now)), if linger.is_some() => return End::Lingered,
            leave = place.left() => return End::Left(leave),
        };
        match ended {
            Ok(()) if up_ended && down_ended => return End::Closed,
            Ok(()) => linger = Some(Instant::now() + LINGER),
            Err(error) => return End::Broke(error),
        }
    }
}
