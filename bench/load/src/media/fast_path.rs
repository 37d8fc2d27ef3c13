//! Memory that the kernel's fast path takes for a bridged call, beyond sockets. Shell.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use io::kernel::{Excluded, FastPath, FastPathConfig, KernelError, Rule};
use plane::RelayStream;
use shared::{Codec, MediaPort};

use super::relay::SetupError;
use crate::report::{Section, whole};

/// Enough that the constant part, programs and settings, is small in the mean.
const CALLS: u16 = 10_000;
const FIRST_PORT: u16 = 10_000;
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const COLUMNS: &[&str] = &["bytes of a call", "by"];

/// Opens the fast path for that many calls and gives all their legs.
pub(super) fn memory() -> Section {
    let mut section =
        Section::new("Memory of a call on the fast path, beyond its sockets", COLUMNS);
    match measure() {
        Ok(Bytes { accounted, opened, given }) => {
            let per_call = |bytes: u64| whole(Some(bytes as f64 / f64::from(CALLS)));
            section
                .row([per_call(accounted), "the kernel's account of maps and programs".to_owned()]);
            section.row([
                per_call(opened),
                "growth of Slab and VmallocUsed when they were made".to_owned(),
            ]);
            section.row([per_call(given), "growth while all legs were given".to_owned()]);
        }
        Err(error) => section.note(format!("NOT MEASURED: {error}.")),
    }
    section.note(format!(
        "{CALLS} calls, {} legs of {} bytes in the shared array and in a core. Growth is that of the whole machine, so \
         neighbours show in it; the account is this process's alone.",
        u32::from(CALLS) * 2,
        io::kernel::LEG_BYTES,
    ));
    section
}

struct Bytes {
    accounted: u64,
    opened: u64,
    given: u64,
}

fn measure() -> Result<Bytes, SetupError> {
    let config = FastPathConfig {
        addresses: vec![LOCAL],
        ports: FIRST_PORT..=FIRST_PORT + CALLS * 4 - 1,
        pins: None,
    };
    let (accounted, before) = (accounted_bytes()?, kernel_bytes()?);
    let path = FastPath::open(&config).map_err(|error: KernelError| error.to_string())?;
    let (accounted, opened) = (accounted_bytes()? - accounted, kernel_bytes()?);
    for leg in 0..CALLS * 2 {
        let port = MediaPort { address: 0, rtp: FIRST_PORT + 2 * leg };
        let entry = path.entry(port).ok_or("a port has no leg")?;
        entry.give(&rule(port), &STREAM)?;
    }
    let given = kernel_bytes()?.saturating_sub(opened);
    Ok(Bytes { accounted, opened: opened.saturating_sub(before), given })
}

/// What the kernel charges this process for its maps and programs (`memlock` in their fdinfo).
fn accounted_bytes() -> Result<u64, SetupError> {
    let mut bytes = 0;
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // The folder's own file is closed by now.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("memlock:"));
        bytes += line.and_then(|line| line.trim().parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(bytes)
}

/// Maps that user space shares are not in Slab.
fn kernel_bytes() -> Result<u64, SetupError> {
    let table = fs::read_to_string("/proc/meminfo")?;
    let of = |name: &str| {
        let line = table.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok())
    };
    let kib = of("Slab:").zip(of("VmallocUsed:")).map(|(slab, mapped)| slab + mapped);
    Ok(kib.ok_or("/proc/meminfo holds no Slab or VmallocUsed")? * 1_024)
}

const STREAM: RelayStream =
    RelayStream { next: 0x1_0001, highest: 0x1_0000, timestamp: 0, transit: 0, jitter_16: 0 };

fn rule(port: MediaPort) -> Rule {
    Rule {
        source: SocketAddr::new(LOCAL, 4_000),
        local: LOCAL,
        out_source: SocketAddr::new(LOCAL, port.rtp ^ 2),
        out_destination: SocketAddr::new(LOCAL, 6_000),
        interface: 1,
        next_hop: None,
        link_address: [0; 6],
        ssrc: 1,
        out_ssrc: 2,
        payload_type: 0,
        out_payload_type: 0,
        codec: Codec::Pcmu,
        out_codec: Codec::Pcmu,
        delta_sequence: 0,
        delta_timestamp: 0,
        dscp: 46,
        forged: Excluded::Dropped,
        other_ssrc: Excluded::Up,
    }
}
