//! Takes every right from this process that functions do not need. Shell.
//!
//! Three layers, each of which would do for most attacks, because the code behind them runs in an engine written in
//! C: limits of the process (no files to write, no core dump, bounded memory), landlock (no path opens), seccomp (the
//! system calls of the table, all others fail as unknown). Where the kernel lacks one of the last two the worker
//! runs without it and says so, because a gateway on an old kernel is better off with functions than without.
//!
//! There is no bound on processes: the kernel counts threads into it. seccomp lets `clone` make threads only, and
//! refuses `clone3`, whose flags are behind a pointer that a filter cannot read. The C library takes an unknown call
//! as an old kernel and uses `clone`.

use std::collections::BTreeMap;
use std::io;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};

/// Bytes of address space: all heaps of a service together, and what allocators reserve.
const ADDRESS_SPACE_BYTES: u64 = 4 << 30;
/// Open files: the three standard ones, and what the kernel opens while the layers close.
const FILES_MAX: u64 = 16;

/// Confines this process and every thread that it starts later. Returns what the kernel could not give.
///
/// # Errors
/// Limits that cannot be set: the worker must not run without them.
pub(crate) fn confine() -> io::Result<String> {
    limit(&[
        (Resource::As, ADDRESS_SPACE_BYTES),
        (Resource::Nofile, FILES_MAX),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ])?;
    let lacks = [no_paths().err(), no_calls().err()];
    Ok(lacks.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

/// Lowers limits of this process for good.
pub(crate) fn limit(limits: &[(Resource, u64)]) -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    for (resource, most) in limits {
        let hard = getrlimit(*resource).maximum.map_or(*most, |hard| hard.min(*most));
        setrlimit(*resource, Rlimit { current: Some(hard), maximum: Some(hard) })?;
    }
    Ok(())
}

/// Landlock without any rule: no path opens, no port binds or connects.
fn no_paths() -> Result<(), String> {
    let closed = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V5)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| format!("landlock: {error}"))?;
    match closed.ruleset {
        RulesetStatus::NotEnforced => Err("the kernel has no landlock".to_owned()),
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
    }
}

/// Seccomp: the calls of the table and no others.
fn no_calls() -> Result<(), String> {
    let filter = filter().map_err(|error| format!("seccomp: {error}"))?;
    seccompiler::apply_filter(&filter).map_err(|error| format!("seccomp: {error}"))
}

fn filter() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let flag = libc::CLONE_THREAD.unsigned_abs().into();
    let is_thread =
        SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![is_thread])?]);
    let refused = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, refused, SeccompAction::Allow, arch)?.try_into()
}

/// What computing, memory, threads and the two pipes need.
const CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::process::Command;

    use super::*;

    const VARIABLE: &str = "SIDETONE_TEST_SANDBOX";

    /// The process that the next test confines; by itself it tests nothing. It ends with 0 where nothing got out.
    #[test]
    fn confined_process() {
        if std::env::var_os(VARIABLE).is_none() {
            return;
        }
        let own = std::env::current_exe().expect("this program");
        let lacks = confine().expect("limits");
        let open = [
            File::open("/etc/passwd").is_ok(),
            File::create("/tmp/sidetone-sandbox-test").is_ok(),
            TcpStream::connect("127.0.0.1:9")
                .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused),
            TcpListener::bind("127.0.0.1:0").is_ok(),
            UdpSocket::bind("127.0.0.1:0").is_ok(),
            Command::new("true").status().is_ok(),
            Command::new(own).spawn().is_ok(),
            std::fs::read_dir("/").is_ok(),
        ];
        // Threads have to work: slots are threads.
        let thread_works = std::thread::spawn(|| vec![0; 1 << 20].len()).join().is_ok();
        let is_closed = lacks.is_empty() && !open.contains(&true) && thread_works;
        if !is_closed {
            eprintln!("lacks {lacks:?}, open {open:?}, threads {thread_works}");
        }
        std::process::exit(if is_closed { 0 } else { 3 });
    }

    #[test]
    fn files_sockets_and_programs_are_out_of_reach_and_threads_are_not() {
        let output = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "sandbox::tests::confined_process", "--nocapture"])
            .env(VARIABLE, "1")
            .output()
            .expect("run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
}
