//! What a proxy costs that knows nothing: a connection to the upstream for each of a client, and bytes copied both ways.

use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpSocket, TcpStream};

use crate::Result;

/// More at once than the copying of big answers gains from.
const BUFFER: usize = 128 << 10;

/// Copies until it is killed; a process of its own, as the other proxies are.
pub(crate) fn run(listen: SocketAddr, upstream: SocketAddr) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(listen)?;
        let listener = socket.listen(4096)?;
        loop {
            let (mut client, _) = listener.accept().await?;
            tokio::spawn(async move {
                let mut server = TcpStream::connect(upstream).await?;
                client.set_nodelay(true)?;
                server.set_nodelay(true)?;
                copy_bidirectional_with_sizes(&mut client, &mut server, 4 << 10, BUFFER).await
            });
        }
    })
}
