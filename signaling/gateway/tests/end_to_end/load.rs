//! Many calls at once by SIPp, without its message log, and what /proc says of the gateway meanwhile.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::gateway::Gateway;

/// A SIPp that places calls at a rate; killed when dropped.
pub struct Load {
    child: Child,
    folder: TempDir,
}

/// The result of a load.
#[derive(Debug)]
pub struct Outcome {
    pub successful: u64,
    pub failed: u64,
    /// SIPp's own report.
    pub report: String,
}

impl Load {
    /// `calls` calls of `scenario` at `rate` a second to the domain `desk`, all from one address, all
    /// offering `media_port`.
    pub fn start(
        gateway: &Gateway,
        scenario: &str,
        rate: u32,
        calls: u32,
        media_port: u16,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("load.xml");
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?>\n<scenario name=\"load\">\n{scenario}\n</scenario>\n"
        );
        std::fs::write(&file, text).expect("writable");
        let words = format!(
            "-i 127.0.0.1 -nostdin -nd -trace_err -trace_stat -fd 1 -stf {stat} -r {rate} -m {calls} -l {calls} \
             -key user 1000 -key domain desk.sip.sidetone.test -key media {media_port}",
            stat = folder.path().join("stat.csv").display(),
        );
        let child = Command::new("sipp")
            .arg("-sf")
            .arg(&file)
            .args(words.split_whitespace())
            .args(["-key", "formats", "0 101"])
            .arg(gateway.sip_udp.to_string())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("SIPp is installed (make clients)");
        Self { child, folder }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Outcome {
        let status = self.child.wait().expect("it is our child");
        let stat = self.read("stat.csv");
        let count = |name: &str| last_value(&stat, name).unwrap_or(0);
        let errors: String = self.errors().chars().take(4_000).collect();
        Outcome {
            successful: count("SuccessfulCall(C)"),
            failed: count("FailedCall(C)"),
            report: format!("SIPp: {status}\n{errors}"),
        }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    fn errors(&self) -> String {
        let entries = std::fs::read_dir(self.folder.path()).expect("readable").flatten();
        let mut files = entries.map(|entry| entry.path());
        let log = files.find(|path| path.to_string_lossy().ends_with("_errors.log"));
        log.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A column of the last line of SIPp's statistics.
fn last_value(stat: &str, name: &str) -> Option<u64> {
    let column = stat.lines().next()?.split(';').position(|title| title == name)?;
    stat.lines().last()?.split(';').nth(column)?.parse().ok()
}

/// Resident memory of a process in KiB.
pub fn resident_kib(process: u32) -> u64 {
    status_kib(process, "VmRSS:")
}

/// The most that it ever was.
pub fn peak_kib(process: u32) -> u64 {
    status_kib(process, "VmHWM:")
}

fn status_kib(process: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field of its");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Threads of a process whose name begins with `name`: their ids.
pub fn threads(process: u32, name: &str) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs").flatten();
    let named = |path: &PathBuf| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.starts_with(name))
    };
    let paths = tasks.map(|entry| entry.path()).filter(named);
    paths.filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect()
}
