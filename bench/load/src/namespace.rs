//! Network namespaces that end with the bench. Shell.
//!
//! A process that waits for its input keeps a namespace alive, and `ip` finds the namespace by it. A socket belongs to
//! the namespace of the thread that opened it, and threads and processes begin in that of their parent. Whoever starts
//! inside [`Namespace::run`] is therefore inside for good.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::endpoint::Trouble;

/// A namespace with loopback up.
pub(crate) struct Namespace {
    keeper: Child,
    file: File,
}

impl Namespace {
    /// # Errors
    /// This process may not make one, or iproute2 is missing.
    pub fn new() -> Result<Self, Trouble> {
        let mut keeper = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        // The echo comes from `cat`, which begins once the namespace is there.
        let is_there = echoes(&mut keeper);
        let file = File::open(format!("/proc/{}/ns/net", keeper.id()));
        let namespace = match (is_there, file) {
            (true, Ok(file)) => Self { keeper, file },
            _ => {
                let _ = keeper.kill();
                let _ = keeper.wait();
                return Err("this process may make no network namespace (CAP_SYS_ADMIN)".into());
            }
        };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Runs a job on a thread of its own inside.
    ///
    /// # Errors
    /// This process may not enter the namespace, or the system refuses a thread.
    pub fn run<R: Send>(&self, job: impl FnOnce() -> R + Send) -> Result<R, Trouble> {
        thread::scope(|scope| {
            let inside = || {
                move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(job())
            };
            let thread =
                thread::Builder::new().name("namespace".to_owned()).spawn_scoped(scope, inside)?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs `ip` inside, with these arguments, separated by blanks.
    ///
    /// # Errors
    /// The sentence of `ip`.
    pub fn ip(&self, arguments: &str) -> Result<(), Trouble> {
        let output = self.run(|| Command::new("ip").args(arguments.split(' ')).output())??;
        match output.status.success() {
            true => Ok(()),
            false => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(format!("ip {arguments}: {}", said.trim()).into())
            }
        }
    }

    /// A veth pair: `name` here, `other` in the other namespace, both up.
    ///
    /// # Errors
    /// The sentence of `ip`.
    pub fn join(&self, name: &str, other: &str, to: &Self) -> Result<(), Trouble> {
        let there = to.keeper.id();
        self.ip(&format!("link add {name} type veth peer name {other} netns {there}"))?;
        self.ip(&format!("link set {name} up"))?;
        to.ip(&format!("link set {other} up"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

fn echoes(keeper: &mut Child) -> bool {
    let (Some(stdin), Some(stdout)) = (keeper.stdin.as_mut(), keeper.stdout.as_mut()) else {
        return false;
    };
    stdin.write_all(b"\n").and_then(|()| stdout.read_exact(&mut [0])).is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_socket_stays_in_the_namespace_of_the_thread_that_opened_it() {
        let Ok((here, there)) = Namespace::new().and_then(|here| Ok((here, Namespace::new()?)))
        else {
            println!("this process may make no network namespace");
            return;
        };
        here.join("gw", "p", &there).expect("veth");
        here.ip("addr add 10.79.0.1/24 dev gw").expect("an address");
        there.ip("addr add 10.79.0.2/24 dev p").expect("an address");
        let open = |namespace: &Namespace, address| {
            let socket = namespace.run(move || UdpSocket::bind(address));
            socket.expect("inside").expect("an address of that namespace")
        };
        let gateway = open(&here, "10.79.0.1:4000");
        let party = open(&there, "10.79.0.2:4000");
        party.send_to(b"rtp", "10.79.0.1:4000").expect("room");
        let mut bytes = [0; 8];
        let (len, source) = gateway.recv_from(&mut bytes).expect("a packet");
        assert_eq!((&bytes[..len], source.to_string().as_str()), (&b"rtp"[..], "10.79.0.2:4000"));
        UdpSocket::bind("10.79.0.1:4000").expect_err("no address of this namespace");
        assert!(
            here.ip("link set nowhere up")
                .expect_err("no such link")
                .to_string()
                .contains("nowhere")
        );
    }
}
