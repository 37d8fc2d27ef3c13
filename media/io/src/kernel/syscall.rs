//! The system calls of the fast path, `bpf(2)` above all, and the memory that it shares with the kernel. All
//! unsafe code of the fast path is here.
//!
//! Each function is one command with its arguments as values, and returns what the kernel said. The structs
//! are the beginnings of `union bpf_attr` (`include/uapi/linux/bpf.h`) up to the last member that we set; the
//! kernel takes the rest as zero.
#![allow(unsafe_code)] // System calls with pointers in them, and memory that another program writes.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};

use super::layout::{EntryCells, InterfaceCells, SettingsCells};

/// Commands of `bpf(2)`.
#[derive(Clone, Copy)]
#[repr(i32)]
enum Command {
    MapCreate = 0,
    MapUpdate = 2,
    ProgramLoad = 5,
    Pin = 6,
    GetPinned = 7,
    TestRun = 10,
    ProgramByNumber = 13,
    MapByNumber = 14,
    Info = 15,
    LinkCreate = 28,
    LinkUpdate = 29,
    LinkByNumber = 30,
    LinkDetach = 34,
}

/// A place in the kernel where a program can be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attach {
    /// tcx ingress, behind the programs that are there already.
    TcxIngress,
    /// XDP in the driver.
    XdpNative,
    /// XDP after the driver has made an skb.
    XdpGeneric,
}

impl Attach {
    const fn program_type(self) -> u32 {
        match self {
            Self::TcxIngress => 3,
            Self::XdpNative | Self::XdpGeneric => 6,
        }
    }

    const fn attach_type(self) -> u32 {
        match self {
            Self::TcxIngress => 46,
            Self::XdpNative | Self::XdpGeneric => 37,
        }
    }

    const fn flags(self) -> u32 {
        match self {
            Self::TcxIngress => 0,
            Self::XdpGeneric => 1 << 1,
            Self::XdpNative => 1 << 2,
        }
    }
}

/// Shape of an array map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MapShape {
    pub value_bytes: u32,
    pub entries: u32,
    pub flags: u32,
}

/// The map can be mapped into memory.
pub(super) const MMAPABLE: u32 = 1 << 10;
const ARRAY: u32 = 2;
const PROGRAM_ARRAY: u32 = 3;

#[repr(C)]
#[derive(Default)]
struct MapCreateAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; 16],
}

/// Creates an array map.
pub(super) fn create_array(name: &str, shape: MapShape) -> io::Result<OwnedFd> {
    create_map(ARRAY, name, shape)
}

/// Creates a map of one program, to which other programs jump.
pub(super) fn create_jumps(name: &str, to: &OwnedFd) -> io::Result<OwnedFd> {
    let shape = MapShape { value_bytes: 4, entries: 1, flags: 0 };
    let map = create_map(PROGRAM_ARRAY, name, shape)?;
    let (key, value) = (0u32, number(to));
    // map_fd, key, value, flags.
    let mut attr: [u64; 4] =
        [number(&map).into(), ptr::from_ref(&key) as u64, ptr::from_ref(&value) as u64, 0];
    // SAFETY: the kernel reads four bytes at each of the two pointers, whose values outlive the call.
    unsafe { bpf(Command::MapUpdate, &mut attr) }?;
    Ok(map)
}

fn create_map(map_type: u32, name: &str, shape: MapShape) -> io::Result<OwnedFd> {
    let mut attr = MapCreateAttr {
        map_type,
        key_size: 4,
        value_size: shape.value_bytes,
        max_entries: shape.entries,
        map_flags: shape.flags,
        map_name: short_name(name),
        ..MapCreateAttr::default()
    };
    // SAFETY: the attributes of this command, which hold no pointer.
    unsafe { bpf_file(Command::MapCreate, &mut attr) }
}

#[repr(C)]
struct InfoAttr {
    fd: u32,
    info_len: u32,
    info: u64,
}

/// The shape of a map, as the kernel has it. An error for a file that is not an array map.
pub(super) fn map_shape(map: &OwnedFd) -> io::Result<MapShape> {
    // map_type, id, key_size, value_size, max_entries, map_flags.
    let mut info = [0u32; 6];
    let mut attr = InfoAttr {
        fd: number(map),
        info_len: size_of_val(&info) as u32,
        info: info.as_mut_ptr() as u64,
    };
    // SAFETY: the kernel writes at most `info_len` bytes to `info`, which outlives the call.
    unsafe { bpf(Command::Info, &mut attr) }?;
    let [kind, _, key_bytes, value_bytes, entries, flags] = info;
    if (kind, key_bytes) != (ARRAY, 4) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(MapShape { value_bytes, entries, flags })
}

/// Index of the interface that a link is on; 0 when that one is gone.
pub(super) fn link_interface(link: &OwnedFd) -> io::Result<u32> {
    // type, id, prog_id, padding; then, at both hooks, ifindex.
    let mut info = [0u32; 6];
    let mut attr = InfoAttr {
        fd: number(link),
        info_len: size_of_val(&info) as u32,
        info: info.as_mut_ptr() as u64,
    };
    // SAFETY: the kernel writes at most `info_len` bytes to `info`, which outlives the call.
    unsafe { bpf(Command::Info, &mut attr) }?;
    Ok(info[4])
}

#[repr(C)]
#[derive(Default)]
struct ProgramLoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

/// Loads a program. With a `log`, the verifier writes its words there.
pub(super) fn load_program(
    name: &str,
    attach: Attach,
    instructions: &[u64],
    log: Option<&mut Vec<u8>>,
) -> io::Result<OwnedFd> {
    const LICENSE: &CStr = c"Dual MIT/GPL";
    let mut attr = ProgramLoadAttr {
        prog_type: attach.program_type(),
        insn_cnt: instructions.len() as u32,
        insns: instructions.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        prog_name: short_name(name),
        expected_attach_type: attach.attach_type(),
        ..ProgramLoadAttr::default()
    };
    if let Some(log) = log {
        attr.log_level = 1;
        attr.log_size = log.len() as u32;
        attr.log_buf = log.as_mut_ptr() as u64;
    }
    // SAFETY: the kernel reads `insn_cnt` instructions and a C string, and writes at most `log_size` bytes to
    // the log; all of them outlive the call.
    unsafe { bpf_file(Command::ProgramLoad, &mut attr) }
}

#[repr(C)]
struct LinkCreateAttr {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// Attaches a program to an interface, for as long as the link is open or pinned.
pub(super) fn create_link(
    program: &OwnedFd,
    interface: u32,
    attach: Attach,
) -> io::Result<OwnedFd> {
    let mut attr = LinkCreateAttr {
        prog_fd: number(program),
        target_ifindex: interface,
        attach_type: attach.attach_type(),
        flags: attach.flags(),
    };
    // SAFETY: the attributes of this command, which hold no pointer.
    unsafe { bpf_file(Command::LinkCreate, &mut attr) }
}

/// Exchanges the program of a link, without a packet between the two.
pub(super) fn update_link(link: &OwnedFd, program: &OwnedFd) -> io::Result<()> {
    // link_fd, new_prog_fd, flags, old_prog_fd.
    let mut attr = [number(link), number(program), 0, 0];
    // SAFETY: the attributes of this command, which hold no pointer.
    unsafe { bpf(Command::LinkUpdate, &mut attr) }.map(|_| ())
}

/// Takes the program of a link off its interface, before this returns. Closing the last file of a link does so some time
/// later.
pub(super) fn detach_link(link: &OwnedFd) -> io::Result<()> {
    let mut attr = [number(link)];
    // SAFETY: the attributes of this command, which hold no pointer.
    unsafe { bpf(Command::LinkDetach, &mut attr) }.map(|_| ())
}

#[repr(C)]
struct PathAttr {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// Pins a map, program or link to a path in a bpffs.
pub(super) fn pin(object: &OwnedFd, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr =
        PathAttr { pathname: path.as_ptr() as u64, bpf_fd: number(object), file_flags: 0 };
    // SAFETY: the path is a C string that outlives the call.
    unsafe { bpf(Command::Pin, &mut attr) }.map(|_| ())
}

/// Opens what is pinned to a path.
pub(super) fn open_pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attr = PathAttr { pathname: path.as_ptr() as u64, bpf_fd: 0, file_flags: 0 };
    // SAFETY: the path is a C string that outlives the call.
    unsafe { bpf_file(Command::GetPinned, &mut attr) }
}

#[repr(C)]
#[derive(Default)]
struct TestRunAttr {
    prog_fd: u32,
    retval: i32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    padding: u32,
}

/// Runs an XDP program on frames that the kernel makes and that go where the program sends them, as if the driver of the
/// interface had received them. Answers the nanoseconds of a frame.
pub(super) fn run_frames(
    program: &OwnedFd,
    interface: u32,
    frame: &[u8],
    frames: u32,
) -> io::Result<u32> {
    const LIVE_FRAMES: u32 = 1 << 1;
    // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
    let context = [0, frame.len() as u32, 0, interface, 0, 0];
    let mut attr = TestRunAttr {
        prog_fd: number(program),
        data_size_in: frame.len() as u32,
        data_in: frame.as_ptr() as u64,
        repeat: frames,
        ctx_size_in: size_of_val(&context) as u32,
        ctx_in: context.as_ptr() as u64,
        flags: LIVE_FRAMES,
        ..TestRunAttr::default()
    };
    // SAFETY: the kernel reads `data_size_in` and `ctx_size_in` bytes, which outlive the call, and returns no bytes.
    unsafe { bpf(Command::TestRun, &mut attr) }?;
    Ok(attr.duration)
}

/// What the kernel numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Numbered {
    Map,
    Program,
    Link,
}

/// Opens an object by its number, while the kernel has it.
pub(super) fn open_by_number(what: Numbered, number: u32) -> io::Result<OwnedFd> {
    let command = match what {
        Numbered::Map => Command::MapByNumber,
        Numbered::Program => Command::ProgramByNumber,
        Numbered::Link => Command::LinkByNumber,
    };
    // id, next_id, open_flags.
    let mut attr = [number, 0, 0];
    // SAFETY: the attributes of these commands, which hold no pointer.
    unsafe { bpf_file(command, &mut attr) }
}

/// What a test run gave back.
#[cfg(test)]
pub(super) struct Ran {
    pub verdict: i32,
    pub frame: Vec<u8>,
}

/// Runs a program on one frame, which goes nowhere.
#[cfg(test)]
pub(super) fn test_run(program: &OwnedFd, frame: &[u8]) -> io::Result<Ran> {
    let mut out = vec![0; 4_096];
    let mut attr = TestRunAttr {
        prog_fd: number(program),
        data_size_in: frame.len() as u32,
        data_size_out: out.len() as u32,
        data_in: frame.as_ptr() as u64,
        data_out: out.as_mut_ptr() as u64,
        repeat: 1,
        ..TestRunAttr::default()
    };
    // SAFETY: the kernel reads `data_size_in` bytes and writes at most `data_size_out`; both outlive the call.
    unsafe { bpf(Command::TestRun, &mut attr) }?;
    out.truncate(attr.data_size_out as usize);
    Ok(Ran { verdict: attr.retval, frame: out })
}

/// The hardware type of an interface of this network namespace (`ARPHRD_…`).
pub(super) fn hardware_type(name: &str) -> io::Result<u16> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    // SAFETY: zero is a valid value of every member.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::NotFound.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: the call reads the name, which ends with a zero, and writes the address of this struct.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFHWADDR, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the member that the call has written.
    Ok(unsafe { request.ifr_ifru.ifru_hwaddr.sa_family })
}

/// A map in this process's memory. Kernel and other processes write it too, so only atomics show it.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory is shared with the kernel in any case; it is reached through atomics alone.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps all values of an array map that was created with [`MMAPABLE`].
    pub fn new(map: &OwnedFd) -> io::Result<Self> {
        let shape = map_shape(map)?;
        let stride = (shape.value_bytes as usize).next_multiple_of(8);
        let bytes = stride * shape.entries as usize;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches none of our memory. The kernel
        // refuses a length beyond the map.
        let start = unsafe {
            libc::mmap(ptr::null_mut(), bytes, protection, libc::MAP_SHARED, map.as_raw_fd(), 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, bytes })
    }

    /// The values as entries of legs.
    pub fn entries(&self) -> &[EntryCells] {
        let count = self.bytes / size_of::<EntryCells>();
        // SAFETY: page-aligned memory of that many bytes, mapped as long as `self` lives. Every bit pattern
        // is valid, and all fields are atomics, so writes of others through other mappings are allowed.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), count) }
    }

    /// The values as interfaces.
    pub fn interfaces(&self) -> &[InterfaceCells] {
        let count = self.bytes / size_of::<InterfaceCells>();
        // SAFETY: as for `entries`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), count) }
    }

    /// The first value as settings.
    pub fn settings(&self) -> &SettingsCells {
        assert!(self.bytes >= size_of::<SettingsCells>());
        // SAFETY: as for `entries`; the length was just checked.
        unsafe { self.start.cast().as_ref() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length; references into it live no longer than `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

fn short_name(name: &str) -> [u8; 16] {
    let mut short = [0; 16];
    for (to, from) in short[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    short
}

/// Number of an open file, as instructions name a map by it.
pub(super) fn number(file: &OwnedFd) -> u32 {
    file.as_raw_fd().unsigned_abs()
}

/// A command that opens a file.
///
/// # Safety
/// As for [`bpf`], and the command returns a new file.
unsafe fn bpf_file<T>(command: Command, attr: &mut T) -> io::Result<OwnedFd> {
    // SAFETY: the caller's promise.
    let file = unsafe { bpf(command, attr) }?;
    // SAFETY: the caller's promise: a file that nobody else has. The kernel sets close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(file) })
}

/// # Safety
/// `attr` begins as `union bpf_attr` does for this command, and its pointers are valid for what the command
/// reads and writes.
unsafe fn bpf<T>(command: Command, attr: &mut T) -> io::Result<RawFd> {
    // SAFETY: the caller's promise; the kernel reads and writes `attr` within its size.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command as libc::c_int, ptr::from_mut(attr), size_of::<T>())
    };
    match RawFd::try_from(result) {
        Ok(number) if number >= 0 => Ok(number),
        Ok(_) | Err(_) => Err(io::Error::last_os_error()),
    }
}
