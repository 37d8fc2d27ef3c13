//! TCP sockets with their options: listeners, outgoing connections, keep-alive. Shell.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

/// Opens a listener.
///
/// # Errors
/// When the system refuses the address.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for old connections to time out.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // 0.0.0.0 and [::] may then stand side by side in the settings.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Begins to connect, from `source` where one is given. mio reports the end: connected or failed.
///
/// # Errors
/// When the system refuses at once, for example without a route.
pub(crate) fn connect(remote: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let Some(source) = source else { return TcpStream::connect(remote) };
    let socket = Socket::new(Domain::for_address(remote), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    match socket.connect(&remote.into()) {
        Err(error)
            if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Err(error)
        }
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// Sends small messages at once (RFC 896 would delay them), and lets the kernel find peers that are gone:
/// by data without acknowledgement, and by probes on an idle connection.
pub(crate) fn set_options(socket: &TcpStream) {
    let socket = socket2::SockRef::from(socket);
    let keep_alive = socket2::TcpKeepalive::new()
        .with_time(ALIVE_AFTER)
        .with_interval(ALIVE_EVERY)
        .with_retries(3);
    // Without an option the connection works, only less promptly: not worth refusing it.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keep_alive);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
}

const LISTEN_BACKLOG: i32 = 1_024;
/// A peer whose kernel acknowledges nothing for this long is gone: the kernel closes the connection.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(20);
const ALIVE_AFTER: Duration = Duration::from_secs(120);
const ALIVE_EVERY: Duration = Duration::from_secs(15);
