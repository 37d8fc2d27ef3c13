//! A network of its own for phones: a namespace that a pair of interfaces joins to this machine.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

use crate::program::Output;

/// The namespace, and the addresses of both ends. It goes with this value, and the pair with it.
pub struct Lan {
    holder: Child,
    /// The address of this machine.
    pub gateway: Ipv4Addr,
    /// The address of the phones.
    pub phones: Ipv4Addr,
}

impl Lan {
    /// Needs root, as the fast path does.
    pub fn new() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && exec cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = command.spawn().expect("unshare runs");
        // `cat` runs once the namespace is there, and then repeats its input.
        let stdin = holder.stdin.as_mut().expect("piped");
        stdin.write_all(b"ready\n").expect("it reads");
        Output::of(holder.stdout.take().expect("piped")).wait_for("ready");
        // Addresses for tests of networks (RFC 2544), a pair for each process.
        let process = std::process::id();
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + (process & 0x7FFF) * 4;
        let lan = Self { holder, gateway: (first + 1).into(), phones: (first + 2).into() };
        let (here, namespace) = (format!("st{process}"), lan.holder.id());
        ip(&format!("link add {here} type veth peer name phones0 netns {namespace}"));
        ip(&format!("addr add {}/30 dev {here}", lan.gateway));
        ip(&format!("link set {here} up"));
        for words in [&format!("addr add {}/30 dev phones0", lan.phones), "link set phones0 up"] {
            let mut command = Command::new("ip");
            let output = lan.inside(command.args(words.split(' '))).output().expect("nsenter runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        lan
    }

    /// The same command, inside.
    pub fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--net=/proc/{}/ns/net", self.holder.id())).arg("--");
        inside.arg(command.get_program()).args(command.get_args());
        inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        inside
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().expect("iproute2");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}
