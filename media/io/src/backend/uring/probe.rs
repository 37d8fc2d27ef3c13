//! Probe of io_uring: whether it works here, and if not, the reason and the remedy.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

use super::buffers::Buffers;
use super::build_ring;

/// Tries the operations of a core, on a small ring. `Err` holds a clause with the fault and its remedy.
pub(crate) fn probe() -> Result<(), String> {
    let ring = build_ring(8, 16).map_err(|error| explain_setup(&error, &read_sysctl()))?;
    let refused = |what: &'static str| move |error: io::Error| explain_step(what, &error);
    ring.submitter().register_files_sparse(2).map_err(refused("a table of sockets"))?;
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).map_err(refused("a UDP socket"))?;
    ring.submitter()
        .register_files_update(0, &[socket.as_raw_fd()])
        .map_err(refused("putting a socket into it"))?;
    // The ring is closed before the buffers are freed, and no operation was ever submitted.
    let buffers = Buffers::new();
    let result = buffers.register(&ring.submitter()).map_err(refused("a ring of buffers"));
    drop(ring);
    result
}

fn read_sysctl() -> String {
    fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default()
}

fn explain_setup(error: &io::Error, sysctl: &str) -> String {
    let setting = sysctl.trim();
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if setting == "1" || setting == "2" => format!(
            "io_uring is switched off by kernel.io_uring_disabled={setting} \
             (sysctl -w kernel.io_uring_disabled=0 allows it)"
        ),
        Some(libc::EPERM | libc::EACCES) => "io_uring is denied, most likely by the container's \
             seccomp profile (allow io_uring_setup, io_uring_enter and io_uring_register)"
            .into(),
        Some(libc::ENOSYS) => "this kernel has no io_uring, or a sandbox hides it (Linux 6.1 or \
             newer with CONFIG_IO_URING; in a container allow io_uring_setup)"
            .into(),
        Some(libc::EINVAL) => "this kernel's io_uring is too old (Linux 6.1 or newer)".into(),
        Some(libc::ENOMEM) => "there is no memory for an io_uring (raise the limit of locked \
             memory: ulimit -l, LimitMEMLOCK=)"
            .into(),
        _ => format!("io_uring_setup failed: {error} (sidetone doctor examines the host)"),
    }
}

fn explain_step(what: &str, error: &io::Error) -> String {
    format!("io_uring refused {what}: {error} (Linux 6.1 or newer is needed)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_denial_names_its_remedy() {
        let of = |number| io::Error::from_raw_os_error(number);
        assert!(explain_setup(&of(libc::EPERM), "2\n").contains("kernel.io_uring_disabled=0"));
        assert!(explain_setup(&of(libc::EPERM), "0\n").contains("seccomp"));
        assert!(explain_setup(&of(libc::ENOSYS), "").contains("6.1"));
        assert!(explain_setup(&of(libc::EINVAL), "").contains("too old"));
        assert!(explain_setup(&of(libc::ENOMEM), "").contains("LimitMEMLOCK"));
    }
}
