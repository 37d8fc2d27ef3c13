//! What the kernel holds of BPF, by number: the objects that a process has open, and whether they still exist.
//!
//! Pins and links keep objects without a process, so a folder that is gone does not prove that they are. Tests ask the
//! kernel itself.

use std::fs;
use std::io;

use super::syscall::{self, Numbered};

/// An object by the number that the kernel gave it. Numbers come again only after 2^31 others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A map.
    Map(u32),
    /// A program.
    Program(u32),
    /// A link of a program to an interface.
    Link(u32),
}

impl Object {
    /// The objects that a process has open, as `/proc/PID/fdinfo` names them, sorted.
    ///
    /// # Errors
    /// When there is no such process, or it belongs to somebody else.
    pub fn of_process(process: u32) -> io::Result<Vec<Self>> {
        let mut objects = Vec::new();
        for file in fs::read_dir(format!("/proc/{process}/fdinfo"))? {
            // A file that was closed since the listing has no object.
            let info = fs::read_to_string(file?.path()).unwrap_or_default();
            objects.extend(Self::read(&info));
        }
        objects.sort_unstable();
        objects.dedup();
        Ok(objects)
    }

    /// The object that an open file of this process is; `None` for another file.
    #[cfg(test)]
    pub(super) fn of_file(file: &std::os::fd::OwnedFd) -> Option<Self> {
        Self::read(&info(file))
    }

    /// The object that this file is. A link also names its program, and is a link.
    fn read(info: &str) -> Option<Self> {
        let number = |key| number(info, key).and_then(|number| u32::try_from(number).ok());
        let link = || number("link_id:").map(Self::Link);
        let map = || number("map_id:").map(Self::Map);
        link().or_else(map).or_else(|| number("prog_id:").map(Self::Program))
    }

    /// Whether the kernel still has it.
    ///
    /// # Errors
    /// When this process may not ask: it takes CAP_SYS_ADMIN.
    pub fn is_loaded(&self) -> io::Result<bool> {
        let (what, number) = match *self {
            Self::Map(number) => (Numbered::Map, number),
            Self::Program(number) => (Numbered::Program, number),
            Self::Link(number) => (Numbered::Link, number),
        };
        match syscall::open_by_number(what, number) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether it is a map.
    pub const fn is_map(&self) -> bool {
        matches!(self, Self::Map(_))
    }

    /// Whether it is a program.
    pub const fn is_program(&self) -> bool {
        matches!(self, Self::Program(_))
    }

    /// Whether it is a link.
    pub const fn is_link(&self) -> bool {
        matches!(self, Self::Link(_))
    }
}

/// The number on the line that begins with this.
fn number(info: &str, key: &str) -> Option<u64> {
    let line = info.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().parse().ok()
}

#[cfg(test)]
fn info(file: &std::os::fd::OwnedFd) -> String {
    use std::os::fd::AsRawFd;
    fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).expect("our own file")
}

/// What the kernel accounts for an object; 0 for a link, of which it does not say.
#[cfg(test)]
pub(super) fn memory_bytes(file: &std::os::fd::OwnedFd) -> u64 {
    number(&info(file), "memlock:").unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_object_that_its_description_names() {
        let of = |info: &str| Object::read(&format!("pos:\t0\nflags:\t02000002\n{info}"));
        assert_eq!(of("map_type:\t2\nmap_id:\t7\n"), Some(Object::Map(7)));
        assert_eq!(of("prog_type:\t3\nprog_id:\t8\n"), Some(Object::Program(8)));
        assert_eq!(of("link_type:\ttcx\nlink_id:\t9\nprog_id:\t8\n"), Some(Object::Link(9)));
        assert_eq!(of("mnt_id:\t15\n"), None);
    }
}
