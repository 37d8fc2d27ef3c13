//! Memory a bridged call takes as calls grow: of the gateway's process and of the kernel. Shell.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use shared::Codec;

use crate::endpoint::Trouble;
use crate::media::{Product, Setup, parties_socket};
use crate::report::{Section, whole};

/// Bridged calls at once, first to last.
const STEPS: &[usize] = &[100, 500, 1_000, 1_500, 2_000];
const STEPS_QUICK: &[usize] = &[100, 500];

/// Brings calls up by SIP (digest, webhook, `<Dial>`) step by step and reads what they take.
///
/// # Errors
/// The gateway does not start, or a call does not come up.
pub(crate) fn measure(binary: &Path, quick: bool) -> Result<Section, Trouble> {
    let mut section = Section::new("Memory of bridged calls", COLUMNS);
    let kernel_before = kernel_bytes();
    let mut product = Product::start(binary, "auto", Ipv4Addr::LOCALHOST, None)?;
    let socket = parties_socket()?;
    let idle = Reading { resident: product.resident_bytes()?, kernel: kernel_bytes() };
    let mut last = (0, idle);
    for &calls in if quick { STEPS_QUICK } else { STEPS } {
        let setup = Setup {
            streams: (calls - last.0) * 2,
            codecs: [Codec::Pcmu; 2],
            is_secured: false,
            parties: socket.local_addr()?,
            cpu: 0,
        };
        product.bring_up(&setup)?;
        let now = Reading { resident: product.resident_bytes()?, kernel: kernel_bytes() };
        section.row(cells(calls, last, now, idle));
        eprintln!("load:   {calls} calls up");
        last = (calls, now);
    }
    product.hang_up()?;
    let after = Reading { resident: product.resident_bytes()?, kernel: kernel_bytes() };
    section.note(format!(
        "Idle, all media ports open: {} KiB resident; the kernel grew by {} KiB when it started. After the last \
         call: {} KiB resident, kernel {} KiB.",
        whole(Some(kib(idle.resident))),
        whole(Some(kib(idle.kernel) - kib(kernel_before))),
        whole(Some(kib(after.resident))),
        whole(Some(kib(after.kernel) - kib(idle.kernel))),
    ));
    section.note(
        "A bridged call is two calls of the gateway: two dialogs, two records with their timelines, two legs. \
         Kernel: Slab and socket buffers of the whole machine, so neighbours show in it.",
    );
    Ok(section)
}

const COLUMNS: &[&str] = &[
    "bridged calls",
    "resident MiB",
    "KiB a call, from the step before",
    "KiB a call, from idle",
    "kernel KiB a call, from idle",
];

#[derive(Clone, Copy, Debug)]
struct Reading {
    resident: u64,
    kernel: u64,
}

fn cells(calls: usize, before: (usize, Reading), now: Reading, idle: Reading) -> Vec<String> {
    let added = (calls - before.0) as f64;
    let of_step = (kib(now.resident) - kib(before.1.resident)) / added;
    let of_all = (kib(now.resident) - kib(idle.resident)) / calls as f64;
    let of_kernel = (kib(now.kernel) - kib(idle.kernel)) / calls as f64;
    vec![
        calls.to_string(),
        format!("{:.1}", kib(now.resident) / 1_024.0),
        format!("{of_step:.1}"),
        format!("{of_all:.1}"),
        format!("{of_kernel:.1}"),
    ]
}

fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1_024.0
}

/// Slab of the whole machine; 0 where it cannot be read.
fn kernel_bytes() -> u64 {
    let table = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = table.lines().find_map(|line| line.strip_prefix("Slab:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}
