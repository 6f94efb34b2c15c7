#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]

use std::io::{self, IoSlice, Read as _};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use socket2::SockRef;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::client_addr::Peer;
use crate::in_flight::Activity;
use crate::net::client_io::{Limits, Stream};
use crate::net::limits::Connections;
use crate::net::socket::Socket;

/// How long the client may take nothing.
const SEND: Duration = Duration::from_millis(500);

/// The far end of a connection.
struct Far {
    socket: UnixStream,
    session: ClientConnection,
}

impl Far {
    /// Takes once what has come, in clear text; none if nothing has.
    fn takes(&mut self) -> Option<Vec<u8>> {
        self.socket.set_nonblocking(true).unwrap();
        match self.session.read_tls(&mut self.socket) {
            Ok(0) => panic!("it has ended"),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => panic!("{error}"),
        }
        self.session.process_new_packets().unwrap();
        let mut taken = Vec::new();
        match self.session.reader().read_to_end(&mut taken) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => panic!("{error}"),
            _ => Some(taken),
        }
    }

    /// The same until nothing is left.
    fn takes_all(&mut self) -> Vec<u8> {
        std::iter::from_fn(|| self.takes()).flatten().collect()
    }
}

/// A connection that shook hands, and its far end.
async fn connection() -> (Gathered, Far) {
    let made = rcgen::generate_simple_self_signed(["dev.test".to_owned()]).unwrap();
    let certificate = CertificateDer::from(made.cert);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(ring::default_provider().into());
    let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let server = server.with_single_cert(vec![certificate.clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(ring::default_provider().into());
    let client = client.with_safe_default_protocol_versions().unwrap();
    let client = Arc::new(client.with_root_certificates(roots).with_no_client_auth());

    // There at once, unlike what goes by TCP; and less than is held, so that it is taken in parts.
    let (near, mut socket) = UnixStream::pair().unwrap();
    SockRef::from(&near).set_send_buffer_size(8 << 10).unwrap();
    near.set_nonblocking(true).unwrap();
    let far = std::thread::spawn(move || {
        let mut session = ClientConnection::new(client, "dev.test".try_into().unwrap()).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket).unwrap();
        }
        Far { socket, session }
    });
    let near = Socket::Unix(tokio::net::UnixStream::from_std(near).unwrap());
    let near = TlsAcceptor::from(Arc::new(server)).accept(near).await.unwrap();
    let mut far = far.join().unwrap();
    // Tickets.
    far.takes_all();
    let limits = Limits { keep_alive: Duration::MAX, head: Duration::MAX, send: SEND };
    let open = prometheus::IntGauge::new("open", "open").unwrap();
    let admitted = Connections::new(1, 1, open).admit(Peer::Unix, true).unwrap();
    let io = ClientIo::of_frames(Stream::Tls(Box::new(near)), limits, Arc::new(Activity::default()), admitted);
    (Gathered::new(io), far)
}

/// Writes a piece, which is taken whole.
fn write(io: &Gathered, cx: &mut Context<'_>, piece: &[u8]) -> Poll<()> {
    let mut io = io.clone();
    let halves = piece.split_at(piece.len() / 2);
    let pieces = [IoSlice::new(halves.0), IoSlice::new(halves.1)];
    let Poll::Ready(taken) = Pin::new(&mut io).poll_write_vectored(cx, &pieces) else { panic!("it is not taken") };
    assert_eq!(taken.unwrap(), piece.len());
    assert!(Pin::new(&mut io).poll_flush(cx).is_ready());
    Poll::Ready(())
}

#[tokio::test]
async fn what_is_written_in_one_turn_goes_out_at_its_end_and_in_its_order() {
    let (io, mut far) = connection().await;
    let mut turn = 0;
    let mut connection = pin!(poll_fn(|cx| {
        turn += 1;
        if turn > 1 {
            return Poll::Ready(());
        }
        for piece in [b"one, ", b"two, ", b"four."] {
            assert!(write(&io, cx, piece).is_ready());
        }
        assert_eq!(far.takes(), None, "it was sent off at once");
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    io.run(connection.as_mut()).await;
    assert_eq!(far.takes_all(), b"one, two, four.");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_a_little_of_what_is_held_is_not_cut_and_one_that_takes_nothing_is() {
    let (io, mut far) = connection().await;
    let turn = || async {
        // The system's poller is asked in between.
        tokio::time::advance(SEND * 3 / 4).await;
        poll_fn(|cx| {
            io.end_turn(cx);
            Poll::Ready(())
        })
        .await;
        io.shared().broke.as_ref().map(io::Error::kind)
    };
    let (mut piece, mut seen, mut all) = (vec![0; (16 << 10) - 1], 0, 0);
    for number in 0..4 {
        piece.fill(number);
        poll_fn(|cx| write(&io, cx, &piece)).await;
        all += piece.len();
    }
    while seen < all {
        assert_eq!(turn().await, None, "cut after {seen} of {all}");
        seen += far.takes_all().len();
    }
    for _ in 0..4 {
        poll_fn(|cx| write(&io, cx, &piece)).await;
    }
    assert_eq!(turn().await, None);
    while turn().await.is_none() {}
    assert_eq!(turn().await, Some(io::ErrorKind::TimedOut));
    // It is what the next look at the connection ends with.
    let told = poll_fn(|cx| Pin::new(&mut io.clone()).poll_read(cx, &mut ReadBuf::new(&mut [0; 8]))).await;
    assert_eq!(told.unwrap_err().kind(), io::ErrorKind::TimedOut);
}
