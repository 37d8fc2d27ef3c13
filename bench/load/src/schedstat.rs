//! CPU time of threads and processes, as the scheduler counted it. Shell.
//!
//! `schedstat` counts nanoseconds on the CPU, so it states the cost of work even where another process
//! took the CPU in between. The number of a running thread is as old as the last timer tick (at most
//! 10 ms); read it while the thread sleeps.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process;

use rustix::time::{ClockId, clock_gettime};

/// A thread of some process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thread {
    process: u32,
    /// Its id.
    pub id: i32,
    /// Its name, at most 15 bytes.
    pub name: String,
}

impl Thread {
    /// CPU time so far, in nanoseconds.
    ///
    /// # Errors
    /// It ended, or the kernel counts nothing (`CONFIG_SCHED_INFO`).
    pub fn cpu_ns(&self) -> io::Result<u64> {
        let path = folder(self.process).join(self.id.to_string()).join("schedstat");
        let text = fs::read_to_string(path)?;
        parse(&text).ok_or_else(|| io::Error::other("schedstat holds no number"))
    }
}

/// All threads of a process, by id.
///
/// # Errors
/// The process does not exist.
pub(crate) fn threads(process: u32) -> io::Result<Vec<Thread>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir(folder(process))? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A thread that ended in between is left out.
        let Ok(name) = fs::read_to_string(entry.path().join("comm")) else { continue };
        threads.push(Thread { process, id, name: name.trim().to_owned() });
    }
    threads.sort_by_key(|thread| thread.id);
    Ok(threads)
}

/// All threads of the processes that a process started.
///
/// # Errors
/// `/proc` cannot be read.
pub(crate) fn children(process: u32) -> io::Result<Vec<Thread>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        if parent(&stat) == Some(process) {
            found.extend(threads(id).unwrap_or_default());
        }
    }
    Ok(found)
}

/// The threads of this process with that name.
///
/// # Errors
/// `/proc` cannot be read.
pub(crate) fn own_threads(name: &str) -> io::Result<Vec<Thread>> {
    let mut found = threads(process::id())?;
    found.retain(|thread| thread.name == name);
    Ok(found)
}

/// The kernel's threads that handle packets which no other thread handled in passing.
///
/// # Errors
/// `/proc` cannot be read.
pub(crate) fn packet_threads() -> io::Result<Vec<Thread>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(name) = fs::read_to_string(format!("/proc/{id}/comm")) else { continue };
        if PACKET_THREADS.iter().any(|prefix| name.starts_with(prefix)) {
            found.extend(threads(id).unwrap_or_default());
        }
    }
    Ok(found)
}

const PACKET_THREADS: &[&str] = &["ksoftirqd/", "napi/"];

/// Sum of the CPU time of threads; a thread that ended counts 0.
pub(crate) fn cpu_ns(threads: &[Thread]) -> u64 {
    threads.iter().filter_map(|thread| thread.cpu_ns().ok()).sum()
}

/// CPU time of the calling thread, to the nanosecond.
pub(crate) fn own_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec);
    u64::try_from(nanos).unwrap_or(0)
}

fn folder(process: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{process}/task"))
}

/// The parent in a line of `/proc/ID/stat`, two words behind the name in brackets (proc_stat(5)).
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The first number of `run_ns wait_ns slices`.
fn parse(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_time_on_the_cpu() {
        assert_eq!(parse("1234567 89 10\n"), Some(1_234_567));
    }

    #[test]
    fn the_parent_stands_behind_the_name_whatever_that_is() {
        assert_eq!(parent("42 (a) b) S 7 42 42 0\n"), Some(7));
        assert_eq!(parent(""), None);
    }

    #[test]
    fn text_that_is_not_a_number_is_not_a_time() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("-1 2 3"), None);
        assert_eq!(parse("x 2 3"), None);
    }
}
