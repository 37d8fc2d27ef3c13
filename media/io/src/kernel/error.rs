//! Reasons that the fast path is not available, each with its remedy.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The fast path does not work here, or not on this interface. Calls go on in user space.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Capabilities are missing.
    #[error(
        "the kernel's fast path needs {missing} (systemd: AmbientCapabilities=CAP_BPF CAP_NET_ADMIN; \
         container: --cap-add BPF --cap-add NET_ADMIN; file: setcap cap_bpf,cap_net_admin+ep)"
    )]
    Capability {
        /// Those that this thread lacks.
        missing: Missing,
    },
    /// The capabilities are there, and the kernel still refuses.
    #[error(
        "bpf(2) is denied although the capabilities are there: a container's seccomp profile or a \
         security module refuses it (allow the system call bpf)"
    )]
    Denied,
    /// The kernel cannot attach a program at the tc hook this way.
    #[error(
        "the kernel's fast path needs Linux 6.6 or newer with CONFIG_BPF_SYSCALL, this is {release}"
    )]
    TooOld {
        /// The release of this kernel.
        release: String,
    },
    /// The folder of the pins is not in a BPF file system.
    #[error(
        "{path} is not in a BPF file system, so relayed calls could not outlive the process \
         (mount -t bpf bpf /sys/fs/bpf)",
        path = path.display()
    )]
    NoBpffs {
        /// The folder, or the nearest one above that exists.
        path: PathBuf,
    },
    /// The folder of the pins belongs to somebody else.
    #[error("this user may not write to {path}: give the folder to it (chown), or mount a BPF file system of its own there", path = path.display())]
    PinsDenied {
        /// The folder.
        path: PathBuf,
    },
    /// No interface has that name.
    #[error("there is no network interface {name}")]
    NoInterface {
        /// The name.
        name: String,
    },
    /// The interface carries no Ethernet frames.
    #[error(
        "interface {name} carries no Ethernet frames (hardware type {hardware}), so its calls stay in user space"
    )]
    NotEthernet {
        /// The name.
        name: String,
        /// Its `ARPHRD_…` number.
        hardware: u16,
    },
    /// No interface has the program, so no packet would pass it.
    #[error(
        "no network interface that carries Ethernet frames has an address of media.addresses: {reasons}"
    )]
    NowhereAttached {
        /// Why interfaces were left out; empty where none has such an address.
        reasons: String,
    },
    /// The driver has no XDP.
    #[error("interface {name} cannot run XDP in its driver: {source}")]
    NoXdp {
        /// The name.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The driver lacks a part of XDP.
    #[error("the driver of {name} does not offer what the XDP hook needs ({missing})")]
    NoXdpFeatures {
        /// The name.
        name: String,
        /// The features, as the kernel's `netdev` family names them.
        missing: String,
    },
    /// The program tells interfaces apart by the low bits of their numbers.
    #[error("interface {name} has the number {index}, whose place in the XDP program is taken")]
    NoXdpPlace {
        /// The name.
        name: String,
        /// Its number.
        index: u32,
    },
    /// More local addresses or ports than the map holds.
    #[error(
        "{addresses} media addresses with {legs} ports each are more than the fast path can hold: name fewer"
    )]
    TooMany {
        /// Local addresses.
        addresses: usize,
        /// RTP ports of each.
        legs: u32,
    },
    /// The verifier refused the program: a fault of the gateway.
    #[error("the kernel's verifier refused the program, please report it: {log}")]
    Verifier {
        /// The end of its log.
        log: String,
    },
    /// Something else.
    #[error("{step}: {source}")]
    System {
        /// What was tried.
        step: Step,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What was tried when the kernel refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Creating a map.
    CreateMap,
    /// Mapping it into memory.
    ShareMemory,
    /// Loading the program.
    LoadProgram,
    /// Attaching it to an interface.
    Attach,
    /// Pinning, or opening a pin.
    Pin,
    /// Looking at an interface.
    Interface,
    /// Running the program on frames that the kernel makes.
    RunFrames,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateMap => "creating a BPF map",
            Self::ShareMemory => "mapping a BPF map into memory",
            Self::LoadProgram => "loading the BPF program",
            Self::Attach => "attaching the BPF program",
            Self::Pin => "pinning to the BPF file system",
            Self::Interface => "looking at a network interface",
            Self::RunFrames => "running the BPF program on frames",
        })
    }
}

/// Capabilities that a thread lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// CAP_BPF.
    pub bpf: bool,
    /// CAP_NET_ADMIN.
    pub net_admin: bool,
}

impl Missing {
    fn of(effective: u64) -> Self {
        let has = |bit: u32| effective >> bit & 1 == 1;
        // CAP_SYS_ADMIN has always stood for both.
        Self {
            bpf: !has(CAP_BPF) && !has(CAP_SYS_ADMIN),
            net_admin: !has(CAP_NET_ADMIN) && !has(CAP_SYS_ADMIN),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.bpf, self.net_admin) {
            (true, true) => "CAP_BPF and CAP_NET_ADMIN",
            (true, false) => "CAP_BPF",
            (false, true) => "CAP_NET_ADMIN",
            (false, false) => "no further capability",
        })
    }
}

const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_BPF: u32 = 39;

/// The kernel of a thread, as far as it explains a refusal.
pub(super) struct Host {
    release: String,
    effective: u64,
}

impl Host {
    /// The kernel's release and the effective capabilities of the calling thread.
    pub fn read() -> Self {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        // Without /proc nothing is known to be missing.
        Self { release, effective: effective.unwrap_or(u64::MAX) }
    }

    /// The reason behind an error of the kernel.
    pub fn explain(&self, step: Step, source: io::Error) -> KernelError {
        let missing = Missing::of(self.effective);
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) if missing.bpf || missing.net_admin => {
                KernelError::Capability { missing }
            }
            Some(libc::EPERM | libc::EACCES) => KernelError::Denied,
            Some(libc::ENOSYS) => self.too_old(),
            // The kernel does not know the attach type.
            Some(libc::EINVAL) if step == Step::Attach && !has_tcx(&self.release) => self.too_old(),
            _ => KernelError::System { step, source },
        }
    }

    fn too_old(&self) -> KernelError {
        KernelError::TooOld { release: self.release.clone() }
    }
}

/// Linux 6.6 brought links at the tc hook.
fn has_tcx(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return true };
    (major, minor) >= (6, 6)
}

/// Whether `folder`, or the nearest folder above it that exists, is in a BPF file system.
pub(super) fn check_bpffs(folder: &Path) -> Result<(), KernelError> {
    let mut path = folder;
    loop {
        match rustix::fs::statfs(path) {
            Ok(found) if found.f_type as u64 == BPF_FS_MAGIC => return Ok(()),
            Err(rustix::io::Errno::NOENT) => match path.parent() {
                Some(parent) => path = parent,
                None => break,
            },
            Ok(_) | Err(_) => break,
        }
    }
    Err(KernelError::NoBpffs { path: path.to_owned() })
}

const BPF_FS_MAGIC: u64 = 0xCAFE_4A11;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = u64::MAX;

    fn explain(release: &str, effective: u64, step: Step, number: i32) -> KernelError {
        let host = Host { release: release.into(), effective };
        host.explain(step, io::Error::from_raw_os_error(number))
    }

    #[test]
    fn a_missing_capability_is_named_with_its_remedy() {
        let cases = [
            (0, "CAP_BPF and CAP_NET_ADMIN"),
            (1 << CAP_NET_ADMIN, "CAP_BPF"),
            (1 << CAP_BPF, "CAP_NET_ADMIN"),
        ];
        for (effective, named) in cases {
            let error = explain("6.12.1", effective, Step::LoadProgram, libc::EPERM).to_string();
            assert!(error.contains(&format!("needs {named} (")), "{error}");
            assert!(error.contains("AmbientCapabilities=") && error.contains("--cap-add"));
        }
    }

    #[test]
    fn a_refusal_in_spite_of_the_capabilities_points_at_seccomp() {
        for effective in [ALL, 1 << CAP_SYS_ADMIN, 1 << CAP_BPF | 1 << CAP_NET_ADMIN] {
            let error = explain("6.12.1", effective, Step::CreateMap, libc::EPERM);
            assert!(matches!(error, KernelError::Denied), "{error}");
        }
    }

    #[test]
    fn an_old_kernel_is_named_and_a_new_one_is_not() {
        for old in ["6.1.0-18-amd64", "5.15.0", "6.5.13"] {
            let error = explain(old, ALL, Step::Attach, libc::EINVAL);
            assert!(error.to_string().contains(old), "{error}");
            assert!(matches!(error, KernelError::TooOld { .. }));
        }
        for new in ["6.6.0", "6.18.44-x", "7.0"] {
            let error = explain(new, ALL, Step::Attach, libc::EINVAL);
            assert!(matches!(error, KernelError::System { step: Step::Attach, .. }), "{error}");
        }
        assert!(matches!(
            explain("6.12.1", ALL, Step::CreateMap, libc::ENOSYS),
            KernelError::TooOld { .. }
        ));
    }

    #[test]
    fn a_folder_outside_a_bpf_file_system_is_named() {
        let error = check_bpffs(Path::new("/proc/no/such/folder")).expect_err("no bpffs");
        assert!(matches!(&error, KernelError::NoBpffs { path } if path == Path::new("/proc")));
        assert!(error.to_string().contains("mount -t bpf"));
    }
}
