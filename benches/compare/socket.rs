//! WebSockets: messages back and forth, and many that say nothing.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::{Client, RIGHT};

/// A message as a client sends it: text of 100 bytes, with a mask of noughts.
fn message() -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 100, 0, 0, 0, 0];
    frame.extend([b'm'; 100]);
    frame
}

/// Opens one by way of a proxy.
pub(crate) async fn open(to: SocketAddr) -> io::Result<Client> {
    let mut client = Client::open(to, None, None).await?;
    let lines = format!(
        "{RIGHT}Origin: http://localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    let answer = client.get("/messages", &lines).await?;
    match answer.status {
        101 => Ok(client),
        status => Err(io::Error::other(format!("a WebSocket was answered {status}"))),
    }
}

/// Reads to the next message; a ping on the way is answered.
async fn next(client: &mut Client) -> io::Result<Vec<u8>> {
    loop {
        match client.frame().await? {
            (first, payload) if first & 15 == 9 => pong(client, &payload).await?,
            (first, _) if first & 15 == 8 => return Err(io::ErrorKind::ConnectionReset.into()),
            (first, payload) if first & 15 == 1 => return Ok(payload),
            _ => {}
        }
    }
}

async fn pong(client: &mut Client, payload: &[u8]) -> io::Result<()> {
    let mut frame = vec![0x8a, 0x80 | payload.len().min(125) as u8, 0, 0, 0, 0];
    frame.extend(payload.iter().take(125));
    client.send(&frame).await
}

/// Sends a message and waits for it to come back, until then; the times in microseconds.
pub(crate) async fn echo(to: SocketAddr, until: Instant) -> io::Result<Vec<f64>> {
    let mut client = open(to).await?;
    let (message, mut times) = (message(), Vec::new());
    while Instant::now() < until {
        let sent = Instant::now();
        client.send(&message).await?;
        while next(&mut client).await?.len() != 100 {}
        times.push(sent.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times)
}

/// Holds one for that long and says nothing.
pub(crate) async fn hold(mut client: Client, time: Duration) {
    let _ = tokio::time::timeout(time, async { while next(&mut client).await.is_ok() {} }).await;
}
