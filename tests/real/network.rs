//! The network between the browser and the gate, which can break in every way that networks do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, broadcast};

/// Passes bytes on to wherever it is told, until it is told otherwise. It ends when it is dropped.
pub(crate) struct Network {
    addr: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    to: Mutex<Option<SocketAddr>>,
    breaks: broadcast::Sender<Break>,
    end: Notify,
}

/// What becomes of the connections that there are.
#[derive(Clone, Copy)]
enum Break {
    /// They end, as when a program ends.
    Cut,
    /// They stay, and nothing passes any more: a NAT forgot them, a cable is out.
    Silence,
}

impl Network {
    pub(crate) fn to(target: SocketAddr) -> Self {
        let shared = Shared { to: Mutex::new(Some(target)), breaks: broadcast::channel(16).0, end: Notify::new() };
        let shared = Arc::new(shared);
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(serve(listener, theirs));
        });
        Self { addr, shared, thread: Some(thread) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Where new connections lead; nowhere: they are closed.
    pub(crate) fn lead_to(&self, target: Option<SocketAddr>) {
        *self.shared.to.lock().unwrap() = target;
    }

    pub(crate) fn cut(&self) {
        let _ = self.shared.breaks.send(Break::Cut);
    }

    pub(crate) fn silence(&self) {
        let _ = self.shared.breaks.send(Break::Silence);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.shared.end.notify_one();
        let _ = self.thread.take().unwrap().join();
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let near = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            () = shared.end.notified() => return,
        };
        let to = *shared.to.lock().unwrap();
        if let Some(to) = to {
            tokio::spawn(pass_on(near, to, shared.breaks.subscribe()));
        }
    }
}

async fn pass_on(mut near: TcpStream, to: SocketAddr, mut breaks: broadcast::Receiver<Break>) {
    let Ok(mut far) = TcpStream::connect(to).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        told = breaks.recv() => {
            if let Ok(Break::Silence) = told {
                std::future::pending::<()>().await;
            }
        }
    }
}
