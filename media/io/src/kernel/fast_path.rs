//! The maps, the programs and the links of the fast path, from start to close.
//!
//! ```text
//! open --(pins of this shape)--> adopted: maps with the legs of the process before
//!   |
//!   +--(none, or of another shape)--> fresh: new maps, old pins removed
//!        both --> attach (an adopted link gets our program) --> renew each second --> close
//! ```
//!
//! The maps come first and the programs are linked with them; a link keeps its program and the program its
//! maps. Dropping a `FastPath` without pins therefore ends everything, and with pins nothing.

use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::Ordering::{Relaxed, Release};

use rustix::net::netdevice::name_to_index;
use shared::{Instant, MediaPort};

use super::entry::Entry;
use super::error::{Host, KernelError, Step};
pub(super) use super::hook::Hook;
use super::image::{Image, Target};
use super::layout::{
    self, ADDRESSES_MAX, EntryCells, Grid, INTERFACES, Interface, InterfaceCells, SettingsCells,
};
use super::pins::{ENTRIES, Pins, SETTINGS, link_name};
use super::program;
use super::syscall::{self, Attach, MMAPABLE, MapShape, Mapping};

/// What the fast path covers.
#[derive(Clone, Debug)]
pub struct FastPathConfig {
    /// Local media addresses, in the order of [`MediaPort::address`]. An unspecified one stands for all of its
    /// family.
    pub addresses: Vec<IpAddr>,
    /// Media ports.
    pub ports: RangeInclusive<u16>,
    /// Folder in a BPF file system; `None`: everything ends with the process.
    pub pins: Option<PathBuf>,
}

/// What [`FastPath::open`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No legs of an earlier process.
    Nothing,
    /// The maps of an earlier process; its legs may still be given.
    Legs,
    /// Pins of another version or for other ports. They were removed, so those legs are back in user space.
    Strange,
}

/// The array of legs, with the programs that read it.
#[derive(Debug)]
pub struct FastPath {
    entries: Map,
    settings: Map,
    /// Never pinned: the program keeps it when the process ends, and the next process brings its own.
    interfaces: Map,
    tc: Option<OwnedFd>,
    xdp: Option<OwnedFd>,
    links: Vec<OwnedFd>,
    pins: Option<Pins>,
    grid: Grid,
    found: Found,
}

/// A map and its values in memory.
#[derive(Debug)]
struct Map {
    file: OwnedFd,
    memory: Mapping,
}

impl FastPath {
    /// Creates the maps, or adopts those that an earlier process has pinned, and loads the program for the tc hook.
    ///
    /// # Errors
    /// [`KernelError`] says what is missing and how to grant it.
    pub fn open(config: &FastPathConfig) -> Result<Self, KernelError> {
        let grid = grid(config)?;
        let pins = config.pins.clone().map(Pins::new).transpose()?;
        let shapes = Shapes::of(grid, config);
        let (entries, settings, found) = match adopt(pins.as_ref(), &shapes)? {
            Adopted::Maps(entries, settings) => (entries, settings, Found::Legs),
            Adopted::Not(found) => {
                let (entries, settings) = shapes.create()?;
                if let Some(pins) = &pins {
                    pins.pin(&entries.file, ENTRIES)?;
                    pins.pin(&settings.file, SETTINGS)?;
                }
                (entries, settings, found)
            }
        };
        let interfaces = create_interfaces()?;
        let (tc, xdp, links) = (None, None, Vec::new());
        let mut path = Self { entries, settings, interfaces, tc, xdp, links, pins, grid, found };
        path.tc = Some(path.load(&program::TC, Attach::TcxIngress)?);
        Ok(path)
    }

    /// Whether legs of an earlier process were found.
    pub const fn found(&self) -> Found {
        self.found
    }

    /// Attaches the program to an interface of this network namespace.
    ///
    /// # Errors
    /// [`KernelError`]; the other interfaces keep it.
    pub fn attach(&mut self, interface: &str, hook: Hook) -> Result<(), KernelError> {
        if hook != Hook::Tc {
            self.load_xdp(hook)?;
        }
        let link = self.link(interface, hook)?;
        self.links.push(link);
        Ok(())
    }

    /// The same, with the link in the caller's hands: it ends with its last file and its pin.
    ///
    /// # Errors
    /// As [`FastPath::attach`].
    pub(super) fn link(&self, interface: &str, hook: Hook) -> Result<OwnedFd, KernelError> {
        let index = ethernet_index(interface)?;
        let program = if hook == Hook::Tc { &self.tc } else { &self.xdp };
        let Some(program) = program else { unreachable!("loaded by open or by attach") };
        let name = link_name(index, hook);
        if let Some(link) = self.adopt_link(&name, index, program)? {
            return Ok(link);
        }
        let link = syscall::create_link(program, index, attach_at(hook));
        let link = link.map_err(|source| match hook {
            Hook::Tc => explain(Step::Attach)(source),
            Hook::XdpNative | Hook::XdpGeneric => {
                KernelError::NoXdp { name: interface.to_owned(), source }
            }
        })?;
        if let Some(pins) = &self.pins {
            pins.pin(&link, &name)?;
        }
        Ok(link)
    }

    /// Loads the program for the XDP hook, for the links that follow.
    ///
    /// # Errors
    /// [`KernelError`]: the kernel refuses it.
    pub(super) fn load_xdp(&mut self, hook: Hook) -> Result<(), KernelError> {
        if self.xdp.is_none() {
            self.xdp = Some(self.load(&program::XDP, attach_at(hook))?);
        }
        Ok(())
    }

    /// Takes the program off a hook of an interface, and removes the pin: the interface is gone, or cannot have it.
    pub(super) fn forget_link(&self, index: u32, hook: Hook) {
        if hook != Hook::Tc {
            self.clear_interface(index);
        }
        // A pin that stays is removed with all others, or by the next process.
        self.remove_link(&link_name(index, hook));
    }

    /// Removes the links that an earlier process had and that this one does not want: an interface may have lost its
    /// address, or has another hook now. Call before the first `attach`, because a driver has room for one program.
    pub(super) fn keep_links(&self, wanted: &[(u32, Hook)]) {
        let wanted: Vec<String> =
            wanted.iter().map(|&(interface, hook)| link_name(interface, hook)).collect();
        let Some(pins) = &self.pins else { return };
        for name in pins.links().into_iter().filter(|name| !wanted.contains(name)) {
            self.remove_link(&name);
        }
    }

    fn remove_link(&self, name: &str) {
        let Some(pins) = &self.pins else { return };
        if let Ok(Some(link)) = pins.open(name) {
            let _ = syscall::detach_link(&link);
        }
        let _ = pins.remove(name);
    }

    /// Tells the program about an interface with the XDP hook. `false`: another one has its place.
    pub(super) fn set_interface(&self, interface: &Interface) -> bool {
        let Some(cells) = self.interface_cells(interface.index) else { return false };
        let [what, link] = layout::interface_words(interface);
        let before = cells.what.load(Relaxed);
        if before as u32 != 0 && before as u32 != interface.index {
            return false;
        }
        if (before, cells.link.load(Relaxed)) != (what, link) {
            // Nothing leaves by it in between.
            cells.what.store(0, Release);
            cells.link.store(link, Release);
            cells.what.store(what, Release);
        }
        true
    }

    /// Frames neither come nor leave by the interface at the XDP hook any more.
    pub(super) fn clear_interface(&self, index: u32) {
        if let Some(cells) = self.interface_cells(index).filter(|_| self.is_driven(index)) {
            cells.what.store(0, Release);
        }
    }

    /// Whether an interface has the XDP hook.
    pub(super) fn is_driven(&self, index: u32) -> bool {
        self.interface_cells(index).is_some_and(|cells| cells.what.load(Relaxed) as u32 == index)
    }

    fn interface_cells(&self, index: u32) -> Option<&InterfaceCells> {
        self.interfaces.memory.interfaces().get(index as usize % INTERFACES)
    }

    /// Lets the programs relay until then. Call well before the last lease ends.
    pub fn renew(&self, until: Instant) {
        self.settings_cells().valid_until_ns.store(until.as_nanos(), Release);
    }

    /// The end of the lease.
    pub fn valid_until(&self) -> Instant {
        Instant::from_nanos(self.settings_cells().valid_until_ns.load(Relaxed))
    }

    /// The leg on a port; `None` for a port outside the configured ones.
    pub fn entry(&self, port: MediaPort) -> Option<Entry<'_>> {
        let index = self.grid.index(port.address, port.rtp)?;
        self.entries.memory.entries().get(index).map(Entry::new)
    }

    /// Ends the lease, detaches the programs and removes every pin.
    ///
    /// # Errors
    /// [`KernelError::System`] when a pin stays.
    pub fn close(&self) -> Result<(), KernelError> {
        self.settings_cells().valid_until_ns.store(0, Release);
        for link in &self.links {
            let _ = syscall::detach_link(link);
        }
        // The kernel frees a link some time after its last pin; its program goes before this returns.
        self.keep_links(&[]);
        match &self.pins {
            Some(pins) => pins.remove_all(),
            None => Ok(()),
        }
    }

    /// The program of the XDP hook, once it is attached somewhere.
    pub(super) const fn xdp_program(&self) -> Option<&OwnedFd> {
        self.xdp.as_ref()
    }

    fn settings_cells(&self) -> &SettingsCells {
        self.settings.memory.settings()
    }

    pub(super) fn load(&self, image: &Image, attach: Attach) -> Result<OwnedFd, KernelError> {
        let file_of = |target| match target {
            Target::Entries => self.entries.file.as_raw_fd().unsigned_abs(),
            Target::Settings => self.settings.file.as_raw_fd().unsigned_abs(),
            Target::Interfaces => self.interfaces.file.as_raw_fd().unsigned_abs(),
        };
        let words = image.linked(file_of);
        let error = match syscall::load_program(PROGRAM_NAME, attach, &words, None) {
            Ok(program) => return Ok(program),
            Err(error) => error,
        };
        match explain(Step::LoadProgram)(error) {
            // The verifier answers EACCES, EINVAL or E2BIG to a program that it does not like.
            refused @ (KernelError::System { .. } | KernelError::Denied) => {
                Err(verdict(attach, &words).unwrap_or(refused))
            }
            other => Err(other),
        }
    }

    /// The link that an earlier process pinned, with our program. A link whose interface is gone is removed: another
    /// one may have its index.
    fn adopt_link(
        &self,
        name: &str,
        index: u32,
        program: &OwnedFd,
    ) -> Result<Option<OwnedFd>, KernelError> {
        let Some(pins) = &self.pins else { return Ok(None) };
        let Some(link) = pins.open(name)? else { return Ok(None) };
        let is_there = syscall::link_interface(&link).is_ok_and(|on| on == index);
        if is_there && syscall::update_link(&link, program).is_ok() {
            return Ok(Some(link));
        }
        pins.remove(name)?;
        Ok(None)
    }
}

#[cfg(test)]
impl FastPath {
    /// The program of the tc hook.
    pub(super) fn tc_program(&self) -> &OwnedFd {
        self.tc.as_ref().expect("open has loaded it")
    }

    /// All that it has in the kernel.
    pub(super) fn objects(&self) -> Vec<super::objects::Object> {
        let object = |file| super::objects::Object::of_file(file).expect("a BPF object");
        self.files().map(object).collect()
    }

    /// The kernel's memory for maps and programs.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.files().map(super::objects::memory_bytes).sum()
    }

    fn files(&self) -> impl Iterator<Item = &OwnedFd> {
        let maps = [&self.entries.file, &self.settings.file, &self.interfaces.file];
        maps.into_iter().chain(&self.tc).chain(&self.xdp).chain(&self.links)
    }

    /// Whether frames leave by the interface at the XDP hook.
    pub(super) fn sends(&self, index: u32) -> bool {
        let cells = self.interface_cells(index).filter(|_| self.is_driven(index));
        cells.is_some_and(|cells| cells.what.load(Relaxed) >> 48 != 0)
    }
}

fn create_interfaces() -> Result<Map, KernelError> {
    let shape = MapShape {
        value_bytes: size_of::<InterfaceCells>() as u32,
        entries: INTERFACES as u32,
        flags: MMAPABLE,
    };
    let map = syscall::create_array("interfaces", shape).map_err(explain(Step::CreateMap))?;
    Map::new(map)
}

/// What the maps of a configuration look like.
struct Shapes {
    entries: MapShape,
    settings: MapShape,
    words: [u64; layout::SETTINGS_WORDS],
}

impl Shapes {
    fn of(grid: Grid, config: &FastPathConfig) -> Self {
        let entries = grid.legs * config.addresses.len() as u32;
        Self {
            entries: MapShape {
                value_bytes: size_of::<EntryCells>() as u32,
                entries,
                flags: MMAPABLE,
            },
            settings: MapShape {
                value_bytes: size_of::<SettingsCells>() as u32,
                entries: 1,
                flags: MMAPABLE,
            },
            words: layout::settings_words(grid, &config.addresses),
        }
    }

    fn create(&self) -> Result<(Map, Map), KernelError> {
        let entries = syscall::create_array("legs", self.entries);
        let entries = Map::new(entries.map_err(explain(Step::CreateMap))?)?;
        let settings = syscall::create_array("settings", self.settings);
        let settings = Map::new(settings.map_err(explain(Step::CreateMap))?)?;
        for (cell, word) in settings.memory.settings().rest.iter().zip(self.words) {
            cell.store(word, Relaxed);
        }
        Ok((entries, settings))
    }

    /// Whether the settings of another process are ours, but for the lease.
    fn holds(&self, settings: &SettingsCells) -> bool {
        settings.rest.iter().zip(self.words).all(|(cell, word)| cell.load(Relaxed) == word)
    }
}

/// The maps of an earlier process, or what was found instead.
enum Adopted {
    Maps(Map, Map),
    Not(Found),
}

fn adopt(pins: Option<&Pins>, shapes: &Shapes) -> Result<Adopted, KernelError> {
    let Some(pins) = pins else { return Ok(Adopted::Not(Found::Nothing)) };
    let open = |name| pins.open(name);
    let (entries, settings) = (open(ENTRIES)?, open(SETTINGS)?);
    let (Some(entries), Some(settings)) = (entries, settings) else {
        // Half a set of pins is what a process leaves that was killed while it pinned.
        pins.remove_all()?;
        return Ok(Adopted::Not(Found::Nothing));
    };
    let is_ours = |map, shape: MapShape| syscall::map_shape(map).is_ok_and(|found| found == shape);
    if is_ours(&entries, shapes.entries) && is_ours(&settings, shapes.settings) {
        let (entries, settings) = (Map::new(entries)?, Map::new(settings)?);
        if shapes.holds(settings.memory.settings()) {
            return Ok(Adopted::Maps(entries, settings));
        }
    }
    pins.remove_all()?;
    Ok(Adopted::Not(Found::Strange))
}

impl Map {
    fn new(file: OwnedFd) -> Result<Self, KernelError> {
        let memory = Mapping::new(&file).map_err(explain(Step::ShareMemory))?;
        Ok(Self { file, memory })
    }
}

const fn attach_at(hook: Hook) -> Attach {
    match hook {
        Hook::Tc => Attach::TcxIngress,
        Hook::XdpNative => Attach::XdpNative,
        Hook::XdpGeneric => Attach::XdpGeneric,
    }
}

fn grid(config: &FastPathConfig) -> Result<Grid, KernelError> {
    let addresses = config.addresses.len();
    let first = u32::from(*config.ports.start()).next_multiple_of(2);
    let legs = (u32::from(*config.ports.end()) + 1).saturating_sub(first) / 2;
    let too_many = KernelError::TooMany { addresses, legs };
    if addresses > ADDRESSES_MAX || addresses == 0 || legs == 0 {
        return Err(too_many);
    }
    let first_port = u16::try_from(first).map_err(|_| too_many)?;
    Ok(Grid { first_port, legs })
}

/// Index of an interface that carries Ethernet frames. Loopback does.
pub(super) fn ethernet_index(name: &str) -> Result<u32, KernelError> {
    let missing = || KernelError::NoInterface { name: name.to_owned() };
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None);
    let socket = socket.map_err(|error| explain(Step::Interface)(error.into()))?;
    let index = name_to_index(&socket, name).map_err(|_| missing())?;
    let hardware = syscall::hardware_type(name).map_err(|_| missing())?;
    if ![libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK].contains(&hardware) {
        return Err(KernelError::NotEthernet { name: name.to_owned(), hardware });
    }
    Ok(index)
}

/// Loads the program once more for the verifier's words; `None` when it has none.
fn verdict(attach: Attach, words: &[u64]) -> Option<KernelError> {
    let mut log = vec![0; VERIFIER_LOG_BYTES];
    syscall::load_program(PROGRAM_NAME, attach, words, Some(&mut log)).err()?;
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    if end == 0 {
        return None;
    }
    let start = end.saturating_sub(VERIFIER_WORDS_BYTES);
    Some(KernelError::Verifier { log: String::from_utf8_lossy(&log[start..end]).into_owned() })
}

pub(super) fn explain(step: Step) -> impl Fn(io::Error) -> KernelError {
    move |source| Host::read().explain(step, source)
}

const PROGRAM_NAME: &str = "sidetone_relay";
/// Enough for a verifier that stops at its first complaint; it keeps the end when there is more.
const VERIFIER_LOG_BYTES: usize = 1024 * 1024;
/// What an error shows of it.
const VERIFIER_WORDS_BYTES: usize = 2_048;
