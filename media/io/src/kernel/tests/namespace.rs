//! Network namespaces that end with the test: a thread stays in each and makes sockets there.
#![allow(unsafe_code)] // unshare, raw sockets and ethtool have no safe form here; each call is checked.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::net::netdevice::name_to_index;
use socket2::{Domain, Protocol, Socket, Type};

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace of its own, with loopback up.
pub(in crate::kernel) struct Namespace {
    jobs: Sender<Job>,
    /// Number of its thread, by which `ip` finds the namespace.
    thread: i32,
}

impl Namespace {
    /// `None` where this process may not make one; then the fast path, too, says what is missing.
    pub fn new() -> Option<Self> {
        let (jobs, todo): (Sender<Job>, Receiver<Job>) = channel();
        let (tell, started) = channel();
        thread::spawn(move || {
            // SAFETY: moves this thread alone into new namespaces; it shares no state that depends on them.
            let is_new = unsafe { libc::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWNS) } == 0;
            let error = std::io::Error::last_os_error();
            assert!(is_new || error.raw_os_error() == Some(libc::EPERM), "{error}");
            let thread = rustix::thread::gettid().as_raw_nonzero().get();
            tell.send(is_new.then_some(thread)).expect("the test waits");
            if is_new {
                todo.into_iter().for_each(|job| job());
            }
        });
        let Some(thread) = started.recv().expect("a thread that starts") else {
            println!("this process may make no network namespace");
            super::open(&super::config("192.0.2.1".parse().expect("an address")));
            return None;
        };
        let namespace = Self { jobs, thread };
        namespace.ip("link set lo up");
        Some(namespace)
    }

    /// Runs a job inside.
    pub fn run<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> R {
        let (tell, result) = channel();
        self.jobs
            .send(Box::new(move || drop(tell.send(job()))))
            .expect("the thread takes jobs as long as the namespace lives");
        result.recv().expect("the job did not panic")
    }

    /// Runs `ip` with these arguments, separated by blanks.
    pub fn ip(&self, arguments: &str) {
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        self.run(move || {
            let output = Command::new("ip").args(&arguments).output().expect("iproute2");
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "ip {}: {error}", arguments.join(" "));
        });
    }

    /// A pair of interfaces: `name` here with link-layer address `HERE`, `other` in the other namespace with `THERE`.
    pub fn join(&self, name: &str, other: &str, to: &Self) {
        let (here, there, thread) = (text(HERE), text(THERE), to.thread);
        self.ip(&format!(
            "link add {name} address {here} type veth peer name {other} address {there} netns {thread}"
        ));
        self.ip(&format!("link set {name} up"));
        to.ip(&format!("link set {other} up"));
    }

    pub fn index(&self, interface: &'static str) -> u32 {
        self.run(move || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
            name_to_index(&socket, interface).expect("an interface of this namespace")
        })
    }

    /// A UDP socket with much room, whose receptions wait 5 s.
    pub fn udp(&self, address: SocketAddr) -> std::net::UdpSocket {
        self.run(move || {
            let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None).unwrap();
            let room: libc::c_int = 32 * 1024 * 1024;
            set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &room);
            socket.bind(&address.into()).unwrap_or_else(|error| panic!("{address}: {error}"));
            socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
            socket.into()
        })
    }

    /// Switches an offload of an interface: one of the `ETHTOOL_S…` commands.
    pub fn set_offload(&self, interface: &'static str, command: u32, on: bool) {
        #[repr(C)]
        struct Value {
            command: u32,
            on: u32,
        }
        self.run(move || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
            let mut value = Value { command, on: on.into() };
            // SAFETY: zero is a valid value of every member.
            let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
            for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
                *to = from as libc::c_char;
            }
            request.ifr_ifru.ifru_data = (&raw mut value).cast();
            // SAFETY: the call reads the request and the value behind it, which outlive it.
            let done = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
            assert_eq!(done, 0, "{interface}: {}", std::io::Error::last_os_error());
        });
    }

    /// A socket for whole frames, at every interface of the namespace.
    pub fn frames(&self, wait: Duration) -> Frames {
        self.run(move || {
            let protocol = i32::from(u16::to_be(libc::ETH_P_ALL as u16));
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(protocol)));
            let socket = socket.expect("a packet socket");
            set_option(&socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, &1i32);
            socket.set_read_timeout(Some(wait)).expect("a time-out");
            Frames(socket)
        })
    }
}

/// Link-layer addresses of the two ends of a pair.
pub(in crate::kernel) const HERE: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(in crate::kernel) const THERE: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Offload of checksums on the way out.
pub(in crate::kernel) const TX_CHECKSUMS: u32 = 0x17;
/// Coalescing of packets that came in; a veth end has a ring for frames of its peer's driver only with that.
pub(in crate::kernel) const GRO: u32 = 0x2C;
const SIOCETHTOOL: libc::c_ulong = 0x8946;

/// A packet socket.
pub(in crate::kernel) struct Frames(Socket);

/// A frame as a packet socket gets it.
pub(in crate::kernel) struct Caught {
    pub bytes: Vec<u8>,
    /// Only the pseudo-header's sum stands in the checksum; the device adds the rest.
    pub is_partial: bool,
}

impl Frames {
    /// The next frame; `None` when there was none in time.
    pub fn next(&self) -> Option<Caught> {
        let mut bytes = vec![0u8; 4_096];
        let mut control = [0u64; 16];
        let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        // SAFETY: zero is a valid value of every member.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        // SAFETY: the message names one buffer and one block for control data, with their lengths.
        let len = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut message, 0) };
        bytes.truncate(usize::try_from(len).ok()?);
        // SAFETY: the kernel has filled the block; the first header is null or inside it.
        let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message).as_ref() }?;
        assert_eq!(header.cmsg_type, libc::PACKET_AUXDATA);
        // SAFETY: the data of this kind begins with the status word.
        let status = unsafe { libc::CMSG_DATA(header).cast::<u32>().read_unaligned() };
        Some(Caught { bytes, is_partial: status & libc::TP_STATUS_CSUMNOTREADY != 0 })
    }

    /// Sends a whole frame out of an interface.
    pub fn send(&self, interface: u32, frame: &[u8]) {
        // SAFETY: zero is a valid value of every member.
        let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        to.sll_family = libc::AF_PACKET as u16;
        to.sll_ifindex = interface as i32;
        // SAFETY: the frame and the address outlive the call, with their lengths.
        let sent = unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const to).cast(),
                size_of_val(&to) as u32,
            )
        };
        assert_eq!(usize::try_from(sent).ok(), Some(frame.len()));
    }
}

/// Sends a datagram whose bytes lie in pages of their own, as a network card delivers long ones.
pub(in crate::kernel) fn send_in_pages(socket: &std::net::UdpSocket, bytes: &[u8]) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    std::io::Write::write_all(&mut writer, bytes).expect("room in the pipe");
    // SAFETY: moves bytes between two open files; it names none of our memory.
    let moved = unsafe {
        let null = std::ptr::null_mut();
        libc::splice(reader.as_raw_fd(), null, socket.as_raw_fd(), null, bytes.len(), 0)
    };
    assert_eq!(usize::try_from(moved).ok(), Some(bytes.len()));
}

fn set_option<T>(socket: &Socket, level: libc::c_int, name: libc::c_int, value: &T) {
    // SAFETY: the value outlives the call, which reads as many bytes as it has.
    let done = unsafe {
        let value = std::ptr::from_ref(value);
        libc::setsockopt(socket.as_raw_fd(), level, name, value.cast(), size_of::<T>() as u32)
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

fn text(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}
