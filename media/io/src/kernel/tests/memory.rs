//! What the fast path takes of the kernel's memory, by the kernel's own account (`memlock` in `/proc/self/fdinfo`).

use super::super::fast_path::FastPathConfig;
use super::{config, open};

#[test]
fn a_bridged_call_takes_at_most_512_bytes_beyond_its_sockets() {
    // The default range: a port pair a leg, two legs a call.
    let ports = 10_000..=19_999;
    let calls = ports.clone().count() as u64 / 4;
    let all = FastPathConfig { ports, ..config("192.0.2.1".parse().unwrap()) };
    let Some(path) = open(&all) else { return };
    let bytes = path.memory_bytes();
    println!("{bytes} bytes for {calls} calls: {} a call, map and program", bytes / calls);
    assert!((384..=512).contains(&(bytes / calls)), "{bytes} bytes for {calls} calls");
}
