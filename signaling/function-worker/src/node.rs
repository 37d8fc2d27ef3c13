//! Functions in Node: what it needs on disk, and the sandbox that it starts in. Shell.
//!
//! ```text
//!  sidetone worker node ── limits, landlock, seccomp ──▶ exec node main.js ── threads of slot.js
//! ```
//!
//! Node is somebody else's program, so a table of the calls that it needs would change with its versions. The filter
//! names what must not happen instead: sockets, processes, signals to others, doors into the kernel. Landlock leaves the
//! system's libraries, Node, the library of functions and the folder of what is deployed, all to read only. Unlike the
//! embedded engine Node itself opens files, so without either layer it does not start.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr as _, RulesetStatus,
    path_beneath_rules,
};
use rustix::process::Resource;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule,
};
use serde_json::json;
use shared::limits::{
    FUNCTION_ANSWER_BYTES_MAX, FUNCTION_CPU_MS, FUNCTION_FETCHES_MAX, FUNCTION_HEAP_BYTES_MAX,
    FUNCTION_LOG_LINE_BYTES_MAX, FUNCTION_LOG_LINES_MAX, FUNCTIONS_RUNNING_ACCOUNT_MAX,
};

use crate::library::Library;
use crate::modules;
use crate::sandbox;

/// What a worker in Node is started with.
#[derive(Clone, Debug)]
pub struct NodeArguments {
    /// Node's binary.
    pub node: PathBuf,
    /// What [`unpack_library`] made.
    pub library: PathBuf,
    /// The folder of what is deployed.
    pub app: PathBuf,
}

/// Becomes Node. Returns where that fails.
pub fn node_main(arguments: &NodeArguments) -> ExitCode {
    let error = match become_node(arguments) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    eprintln!("function worker: {error}");
    ExitCode::FAILURE
}

fn become_node(arguments: &NodeArguments) -> io::Result<std::convert::Infallible> {
    let NodeArguments { node, library, app } = arguments;
    sandbox::limit(&[
        (Resource::Data, DATA_BYTES),
        (Resource::Nofile, FILES_MAX),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ])?;
    read_only(node, &[library, app]).and_then(|()| no_way_out()).map_err(io::Error::other)?;
    let bounds = json!({
        "app": app,
        "slots": FUNCTIONS_RUNNING_ACCOUNT_MAX,
        "lines": FUNCTION_LOG_LINES_MAX,
        "lineBytes": FUNCTION_LOG_LINE_BYTES_MAX,
        "fetches": FUNCTION_FETCHES_MAX,
        "answerBytes": FUNCTION_ANSWER_BYTES_MAX,
        "heapMb": FUNCTION_HEAP_BYTES_MAX / (1024 * 1024),
        "processorMs": FUNCTION_CPU_MS,
    });
    let scripts = library.join(SCRIPTS);
    let mut command = Command::new(node);
    command.env_clear().current_dir(app);
    // libuv would use io_uring, whose requests no filter sees.
    command.env("UV_USE_IO_URING", "0");
    // Node ends where it may not read the system's.
    command.env("OPENSSL_CONF", scripts.join(OPENSSL_CONF));
    // A native module would be code of the customer outside of the engine.
    command.arg("--no-addons");
    Err(command.arg(scripts.join("main.js")).arg(bounds.to_string()).exec())
}

/// Landlock: the system's libraries and Node to run, `folders` to read, nothing else, and no port.
fn read_only(node: &Path, folders: &[&Path]) -> Result<(), String> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let programs = SYSTEM.iter().map(Path::new).chain([node]);
    let closed = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V5)))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(programs, read | AccessFs::Execute)))
        .and_then(|rules| rules.add_rules(path_beneath_rules(folders, read)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| format!("landlock: {error}"))?;
    match closed.ruleset {
        RulesetStatus::NotEnforced => Err("the kernel has no landlock".to_owned()),
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
    }
}

/// Seccomp: no sockets, no processes, no signals to others, no doors into the kernel.
fn no_way_out() -> Result<(), String> {
    // A call that a filter refuses as unknown makes the C library use `clone`, whose flags the other one reads.
    let unknown = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    for (rules, error) in
        [(unknown, libc::ENOSYS), (refused().map_err(|e| e.to_string())?, libc::EPERM)]
    {
        let filter = filter(rules, error).map_err(|error| format!("seccomp: {error}"))?;
        seccompiler::apply_filter(&filter).map_err(|error| format!("seccomp: {error}"))?;
    }
    Ok(())
}

fn filter(rules: BTreeMap<i64, Vec<SeccompRule>>, error: i32) -> Result<BpfProgram, BackendError> {
    let refused = SeccompAction::Errno(error.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?.try_into()
}

fn refused() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let rule = |argument, operator, value| {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value)?;
        Ok::<_, BackendError>(vec![SeccompRule::new(vec![condition])?])
    };
    let thread = libc::CLONE_THREAD.unsigned_abs().into();
    rules.insert(libc::SYS_clone, rule(0, SeccompCmpOp::MaskedEq(thread), 0)?);
    // The number stays through the start of Node.
    let own = std::process::id().into();
    rules.insert(libc::SYS_tgkill, rule(0, SeccompCmpOp::Ne, own)?);
    Ok(rules)
}

const CALLS: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pidfd_getfd,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_io_uring_setup,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_chown,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_lchown,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
];

/// Where programs find their libraries, and what Debian's Node reads of its own.
const SYSTEM: &[&str] =
    &["/lib", "/lib64", "/usr/lib", "/usr/local/lib", "/usr/share/nodejs", "/etc/ld.so.cache"];
/// Private memory that may be written, bytes. Node reserves far more address space than it uses.
const DATA_BYTES: u64 = 4 << 30;
/// Open files: each thread has a handful.
const FILES_MAX: u64 = 1024;

/// Unpacks the embedded library and the scripts of the worker into a folder, anew at each start of a gateway: another
/// build of this version may have other scripts. Blocks for the disk.
///
/// # Errors
/// The disk.
pub fn unpack_library(below: &Path) -> io::Result<PathBuf> {
    let folder = below.join(format!("library-{}", env!("CARGO_PKG_VERSION")));
    let making = below.join("library.new");
    for old in [&making, &folder] {
        if old.exists() {
            std::fs::remove_dir_all(old)?;
        }
    }
    let library = Library::embedded();
    for path in library.paths() {
        let file = making.join("node_modules").join(path);
        std::fs::create_dir_all(file.parent().unwrap_or(&making))?;
        let content = library.read(path).ok_or_else(|| io::Error::other("a broken library"))?;
        std::fs::write(file, for_node(path, content))?;
    }
    let axios = making.join("node_modules/axios/index.js");
    std::fs::write(axios, "export { default } from './dist/node/axios.cjs';\n")?;
    let scripts = making.join(SCRIPTS);
    std::fs::create_dir_all(&scripts)?;
    for (name, script) in modules::NODE {
        std::fs::write(scripts.join(format!("{name}.js")), script)?;
    }
    std::fs::write(scripts.join(OPENSSL_CONF), "")?;
    std::fs::rename(&making, &folder)?;
    folder.canonicalize()
}

/// The archive holds CommonJS only. Newer versions of Node prefer a file that it lacks, where a package offers that.
fn for_node(path: &str, content: Vec<u8>) -> Vec<u8> {
    if !path.ends_with("package.json") {
        return content;
    }
    match String::from_utf8(content) {
        Ok(text) => text.replace("\"module-sync\"", "\"module-sync-left-out\"").into_bytes(),
        Err(other) => other.into_bytes(),
    }
}

/// Folder of our own scripts in the library.
const SCRIPTS: &str = "worker";
/// An empty configuration.
const OPENSSL_CONF: &str = "openssl.cnf";
