//! Memory of a relayed call in the media plane: the kernel's for sockets and their queues, and the core's
//! for its state. Shell.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use io::{BackendChoice, WaitSettings};
use socket2::SockRef;

use super::own::Own;
use super::relay::{Setup, SetupError, tried};
use crate::calls::kernel_bytes;
use crate::report::Section;

/// Calls of a run: enough that other activity of the machine disappears in the mean.
const CALLS: usize = 2_000;

const COLUMNS: &[&str] =
    &["backend", "RTCP", "sockets a call", "kernel KiB a call", "core KiB a call", "sum"];

/// Brings calls up on media cores in this process, with RTCP on the RTP port and on a port of its own. Call it
/// before other parts of this process open sockets and close them meanwhile.
pub(crate) fn measure(cpu: usize) -> Section {
    let mut section = Section::new("Memory of a relayed call, media plane", COLUMNS);
    for backend in [BackendChoice::IoUring, BackendChoice::Portable] {
        for rtcp_mux in [true, false] {
            match kernel_bytes_a_call(backend, rtcp_mux, cpu) {
                Ok(kernel) => section.row(cells(backend, rtcp_mux, kernel)),
                Err(error) => section.note(format!("{backend:?}, rtcp-mux {rtcp_mux}: {error}")),
            }
        }
    }
    section.note(format!(
        "{CALLS} calls of two legs. Kernel: growth of Slab (/proc/meminfo), two open ports and what two legs add to \
         them, the socket with its file, inode and hash entries, and the reception that waits on it; packets under way come \
         and go. Core: the state of two legs, of which {} bytes each are the hot lines that relayed packets touch; \
         SRTP adds its own. Signaling's memory of a call is in the table of bridged calls.",
        plane::HOT_LEG_BYTES,
    ));
    section
}

fn kernel_bytes_a_call(
    backend: BackendChoice,
    rtcp_mux: bool,
    cpu: usize,
) -> Result<f64, SetupError> {
    // Nobody reads this socket: packets of the legs must not pile up in it.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let socket = socket.map_err(tried("opening the parties' socket"))?;
    let small = SockRef::from(&socket).set_recv_buffer_size(0);
    small.map_err(tried("making the parties' socket small"))?;
    let parties = socket.local_addr().map_err(tried("opening the parties' socket"))?;
    let codecs = [shared::Codec::Pcmu; 2];
    let setup =
        Setup { streams: CALLS * 2, codecs, is_secured: false, parties, relay: parties.ip(), cpu };
    let before = kernel_bytes_at_rest();
    let mut own = Own::open(backend, WaitSettings::default(), &setup)?;
    let idle = kernel_bytes_at_rest();
    own.bring_up(&setup, rtcp_mux)?;
    let up = kernel_bytes_at_rest();
    Ok(2.0 * (idle - before) / own.ports() as f64 + (up - idle) / CALLS as f64)
}

/// Waits until kernel memory changes little: the kernel frees closed sockets with a delay.
fn kernel_bytes_at_rest() -> f64 {
    let mut before = kernel_bytes();
    for _ in 0..LOOKS_MAX {
        std::thread::sleep(LOOK);
        let now = kernel_bytes();
        if now.abs_diff(before) < REST_BYTES {
            return now as f64;
        }
        before = now;
    }
    before as f64
}

const LOOK: Duration = Duration::from_millis(200);
const LOOKS_MAX: u32 = 15;
const REST_BYTES: u64 = 64 * 1_024;

fn cells(backend: BackendChoice, rtcp_mux: bool, kernel: f64) -> Vec<String> {
    let core = 2.0 * plane::LEG_BYTES as f64;
    let kib = |bytes: f64| format!("{:.1}", bytes / 1_024.0);
    vec![
        format!("{backend:?}"),
        if rtcp_mux { "on the RTP port" } else { "on its own port" }.to_owned(),
        if rtcp_mux { "2" } else { "4" }.to_owned(),
        kib(kernel),
        kib(core),
        kib(kernel + core),
    ]
}
