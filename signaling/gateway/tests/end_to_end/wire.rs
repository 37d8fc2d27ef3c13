//! A wire between this machine and a network namespace with phones: a veth pair of its own, whose driver has XDP.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::program::Output;
use crate::rtp::Party;

/// Gone with this value, as is all that hangs on it.
pub struct Wire {
    /// Keeps the namespace.
    holder: Child,
    network: [u8; 3],
    /// The end on this machine.
    pub name: String,
}

impl Wire {
    pub fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().expect("unshare runs");
        // `cat` runs once the namespace is there, and then repeats its input.
        holder.stdin.as_mut().expect("piped").write_all(b"there\n").expect("it reads");
        Output::of(holder.stdout.take().expect("piped")).wait_for("there");
        let id = std::process::id();
        let (network, name) = ([10, 79, (id % 250) as u8], format!("sw{id}"));
        let wire = Self { holder, network, name };
        let (name, process) = (&wire.name, wire.holder.id());
        run(&format!("ip link add {name} type veth peer name phones netns {process}"));
        run(&format!("ip addr add {}/24 dev {name}", wire.host(1)));
        for host in [wire.host(2), wire.host(3)] {
            wire.run(&format!("ip addr add {host}/24 dev phones"));
        }
        wire.run("ip link set phones up");
        run(&format!("ip link set {name} up"));
        // The driver sends only to an end with GRO (0x2C), and relays only whole checksums (0x17: offloaded ones).
        for (command, value) in [(0x2C, 1), (0x17, 0)] {
            wire.python(&format!("{SET_OFFLOAD}set({command}, {value})"));
        }
        wire
    }

    /// An address on it: 1 is this machine, 2 and 3 are phones.
    pub const fn host(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.network;
        Ipv4Addr::new(a, b, c, last)
    }

    /// The media of a phone.
    pub fn party(&self, last: u8) -> Party {
        let namespace = File::open(self.namespace()).expect("it is held");
        let host = self.host(last);
        let bind = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("this process may");
            UdpSocket::bind((host, 0)).expect("a free port")
        };
        // A thread of its own, which alone is there.
        Party::of(std::thread::spawn(bind).join().expect("bound"))
    }

    /// Programs at the XDP hook of the end on this machine, as `ip` shows them.
    pub fn programs(&self) -> usize {
        let output = Command::new("ip").args(["-details", "link", "show", &self.name]).output();
        let output = output.expect("iproute2");
        String::from_utf8_lossy(&output.stdout).matches("prog/xdp").count()
    }

    fn namespace(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }

    fn run(&self, words: &str) {
        run(&format!("nsenter --net={} {words}", self.namespace()));
    }

    fn python(&self, script: &str) {
        let status = Command::new("nsenter")
            .arg(format!("--net={}", self.namespace()))
            .args(["python3", "-c", script])
            .status();
        assert!(status.expect("nsenter runs").success(), "{script}");
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "del", &self.name]).status();
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// `ethtool`, which not every machine has.
const SET_OFFLOAD: &str = "import array, fcntl, socket, struct
def set(command, value):
    value = array.array('I', [command, value])
    request = struct.pack('16sQ16x', b'phones', value.buffer_info()[0])
    fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8946, request)
";

fn run(words: &str) {
    let mut words = words.split(' ');
    let mut command = Command::new(words.next().expect("a program"));
    let output = command.args(words).output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
