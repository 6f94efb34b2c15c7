//! What a connection over the limits is told, without letting it hold anything for long.

use std::time::Duration;

use super::limits::Telling;
use super::socket::{Socket, farewell};

/// What it reads.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 36\r\n\r\nToo many connections are open here.\n";

/// How long it may take over that.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says 503, and ends it.
pub async fn tell(socket: Socket, telling: Telling) {
    let _ = tokio::time::timeout(PATIENCE, farewell(socket, FULL)).await;
    drop(telling);
}
