//! Reads a header from a connection, and not a byte of what follows it: that is the client's, and TLS perhaps.

use std::io;

use tokio::io::AsyncReadExt as _;

use super::{Fault, Header, parse};
use crate::net::socket::Socket;

/// How much is looked at in one go: more than nearly every header.
const LOOK: usize = 512;

/// Why there is no header.
#[derive(Debug)]
pub enum Unread {
    /// Other bytes came.
    Fault(Fault),
    /// The connection ended before the first one: somebody looked whether the port is open.
    Nothing,
    /// It broke.
    Io(io::Error),
}

/// Reads the header that `socket` begins with.
///
/// What has arrived is looked at first, and taken only as far as it belongs to the header.
///
/// # Errors
/// [`Unread`].
pub async fn read(socket: &mut Socket) -> Result<Header, Unread> {
    let mut held = Vec::new();
    loop {
        let mut seen = [0; LOOK];
        let count = socket.peek(&mut seen).await.map_err(Unread::Io)?;
        let before = held.len();
        held.extend_from_slice(seen.get(..count).unwrap_or_default());
        let parsed = parse(&held).map_err(Unread::Fault)?;
        let ours = match &parsed {
            None if count == 0 && held.is_empty() => return Err(Unread::Nothing),
            None if count == 0 => return Err(Unread::Fault(Fault::Broken("it is cut short"))),
            // It is taken, so that waiting for more is no waiting for what is there.
            None => count,
            Some(header) => header.length.saturating_sub(before),
        };
        socket.read_exact(seen.get_mut(..ours).unwrap_or_default()).await.map_err(Unread::Io)?;
        if let Some(header) = parsed {
            return Ok(header);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;

    use super::*;
    use crate::client_addr::Peer;

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.5 50000 8080\r\n";

    #[test]
    fn what_follows_a_header_stays_whole_wherever_the_bytes_are_split() {
        run(async {
            let bytes = [LINE, b"GET / HTTP/1.1\r\n\r\n"].concat();
            for split in 0..=bytes.len() {
                let (ours, mut theirs) = UnixStream::pair().unwrap();
                let (first, second) = bytes.split_at(split);
                theirs.write_all(first).await.unwrap();
                let mut ours = Socket::Unix(ours);
                let (header, ()) = tokio::join!(read(&mut ours), async {
                    tokio::task::yield_now().await;
                    theirs.write_all(second).await.unwrap();
                });
                let header = header.unwrap();
                assert_eq!(header.client, Some(Peer::Tcp("192.0.2.7".parse().unwrap())));
                let mut rest = vec![0; bytes.len() - LINE.len()];
                ours.read_exact(&mut rest).await.unwrap();
                assert_eq!(rest, bytes[LINE.len()..], "{split}");
            }
        });
    }

    #[test]
    fn a_header_of_any_length_is_read_and_nothing_more() {
        run(async {
            for length in [216, 4096, 65535] {
                let (ours, mut theirs) = UnixStream::pair().unwrap();
                let mut bytes = b"\r\n\r\n\0\r\nQUIT\n\x20\x00".to_vec();
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
                bytes.resize(16 + length, 7);
                bytes.push(b'G');
                let mut ours = Socket::Unix(ours);
                let (header, ()) = tokio::join!(read(&mut ours), async { theirs.write_all(&bytes).await.unwrap() });
                assert_eq!(header.unwrap().length, 16 + length);
                assert_eq!(ours.read_u8().await.unwrap(), b'G');
            }
        });
    }

    #[test]
    fn a_piece_of_a_header_is_waited_for_at_rest() {
        run(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(&LINE[..9]).await.unwrap();
            let mut ours = Socket::Unix(ours);
            let waited = tokio::time::timeout(Duration::from_millis(50), read(&mut ours)).await;
            assert!(waited.is_err());
            // It has been taken: a look that found it again at once would never rest.
            let left = tokio::time::timeout(Duration::from_millis(50), ours.read_u8()).await;
            assert!(left.is_err());
        });
    }

    #[test]
    fn an_end_within_a_header_is_told_from_one_before_it() {
        run(async {
            for (sent, nothing) in [(&b""[..], true), (&LINE[..20], false)] {
                let (ours, mut theirs) = UnixStream::pair().unwrap();
                theirs.write_all(sent).await.unwrap();
                drop(theirs);
                match read(&mut Socket::Unix(ours)).await.unwrap_err() {
                    Unread::Nothing => assert!(nothing),
                    Unread::Fault(fault) => {
                        assert!(!nothing);
                        assert_eq!(fault, Fault::Broken("it is cut short"));
                    }
                    Unread::Io(error) => panic!("{error}"),
                }
            }
        });
    }
}
