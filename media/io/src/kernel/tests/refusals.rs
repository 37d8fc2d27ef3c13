//! What the kernel denies, by real denials: capabilities dropped from one thread, interfaces that are not there
//! or carry no Ethernet.
#![allow(unsafe_code)] // capset and prctl on this thread; each call is checked.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use super::super::error::{KernelError, Missing};
use super::super::fast_path::{FastPath, FastPathConfig, Hook};
use super::namespace::Namespace;
use super::pins::mount_bpffs;
use super::{config, open};

const CAP_NET_ADMIN: u32 = 12;
const CAP_BPF: u32 = 39;

/// Runs a job on a thread that has these capabilities and no others.
fn with_capabilities<R: Send>(capabilities: &[u32], job: impl FnOnce() -> R + Send) -> R {
    let bits = capabilities.iter().fold(0u64, |bits, number| bits | 1 << number);
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            set_capabilities(bits);
            job()
        });
        thread.join().expect("the job did not panic")
    })
}

fn set_capabilities(bits: u64) {
    // _LINUX_CAPABILITY_VERSION_3, this thread.
    let header = [0x2008_0522u32, 0];
    let (low, high) = (bits as u32, (bits >> 32) as u32);
    let data = [low, low, 0, high, high, 0];
    // SAFETY: the structs of version 3: two words, and twice three words, which outlive the call. The raw
    // system call changes this thread alone.
    let done = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn each_missing_capability_is_named() {
    let address = "192.0.2.1".parse().unwrap();
    if open(&config(address)).is_none() {
        return;
    }
    let cases: [(&[u32], Missing); 3] = [
        (&[], Missing { bpf: true, net_admin: true }),
        (&[CAP_NET_ADMIN], Missing { bpf: true, net_admin: false }),
        (&[CAP_BPF], Missing { bpf: false, net_admin: true }),
    ];
    for (capabilities, expected) in cases {
        let error = with_capabilities(capabilities, || FastPath::open(&config(address)));
        let error = error.expect_err("a capability is missing");
        match error {
            KernelError::Capability { missing } => assert_eq!(missing, expected),
            other => panic!("{capabilities:?}: {other}"),
        }
    }
}

#[test]
fn cap_bpf_and_cap_net_admin_are_enough() {
    let address = "192.0.2.1".parse().unwrap();
    let Some(namespace) = Namespace::new() else { return };
    if open(&config(address)).is_none() {
        return;
    }
    namespace.run(move || {
        // The thread of the namespace keeps them: it is this test's own.
        set_capabilities(1 << CAP_BPF | 1 << CAP_NET_ADMIN);
        let mut path = FastPath::open(&config(address)).unwrap_or_else(|error| panic!("{error}"));
        for hook in [Hook::Tc, Hook::XdpGeneric] {
            path.attach("lo", hook).unwrap_or_else(|error| panic!("{hook:?}: {error}"));
        }
    });
}

#[test]
fn a_folder_of_pins_that_belongs_to_somebody_else_is_named() {
    let Some(namespace) = Namespace::new() else { return };
    if open(&config("192.0.2.1".parse().unwrap())).is_none() {
        return;
    }
    let pins = mount_bpffs(&namespace).join("theirs");
    namespace.run(move || {
        std::fs::create_dir(&pins).expect("a folder");
        std::os::unix::fs::chown(&pins, Some(65_534), None).expect("another owner");
        std::fs::set_permissions(&pins, Permissions::from_mode(0o700)).expect("its mode");
        set_capabilities(1 << CAP_BPF | 1 << CAP_NET_ADMIN);
        let config =
            FastPathConfig { pins: Some(pins.clone()), ..config("192.0.2.1".parse().unwrap()) };
        let error = FastPath::open(&config).expect_err("not ours");
        assert!(matches!(&error, KernelError::PinsDenied { path } if *path == pins), "{error}");
        assert!(error.to_string().contains("chown"));
    });
}

#[test]
fn an_interface_that_is_not_there_or_no_ethernet_is_named() {
    let Some(namespace) = Namespace::new() else { return };
    let Some(mut path) = open(&config("192.0.2.1".parse().unwrap())) else { return };
    namespace.ip("tuntap add dev tun7 mode tun");
    namespace.run(move || {
        let error = path.attach("nowhere0", Hook::Tc).expect_err("no interface");
        assert!(matches!(&error, KernelError::NoInterface { name } if name == "nowhere0"));
        let error = path.attach("a-name-of-more-than-15", Hook::Tc).expect_err("no interface");
        assert!(matches!(error, KernelError::NoInterface { .. }), "{error}");
        let error = path.attach("tun7", Hook::Tc).expect_err("no Ethernet");
        assert!(matches!(error, KernelError::NotEthernet { .. }), "{error}");
    });
}

#[test]
fn more_addresses_than_rows_are_refused() {
    let mut config = config("192.0.2.1".parse().unwrap());
    config.addresses = vec![config.addresses[0]; 17];
    let error = FastPath::open(&config).expect_err("too many");
    assert!(matches!(error, KernelError::TooMany { addresses: 17, legs: 50 }), "{error}");
    config.addresses.clear();
    assert!(matches!(FastPath::open(&config), Err(KernelError::TooMany { .. })));
}
