//! The machine behind the numbers: CPU, cores, kernel, compiler. Shell.

use std::fs;
use std::process::Command;

/// A machine and its compiler. A value that cannot be read says so.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// CPU model as the kernel names it.
    pub cpu: String,
    /// CPUs that this process may use.
    pub cpus: usize,
    /// Kernel release.
    pub kernel: String,
    /// Active mitigations that make system calls slower, as the kernel names them.
    pub mitigations: String,
    /// Compiler version.
    pub rustc: String,
    /// Load average of the minute before the bench began.
    pub load_before: String,
}

impl Machine {
    /// Reads this machine.
    pub fn read() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            cpu: cpu_model(&cpuinfo).unwrap_or("unknown CPU").to_owned(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: trimmed("/proc/sys/kernel/osrelease"),
            mitigations: mitigations(),
            rustc: first_line("rustc", "--version").unwrap_or_else(|| "unknown rustc".to_owned()),
            load_before: load.split(' ').next().unwrap_or("unknown").to_owned(),
        }
    }
}

/// The first line that a program prints for its version option.
pub(crate) fn first_line(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let line = String::from_utf8_lossy(&text).lines().next()?.trim().to_owned();
    output.status.success().then_some(line)
}

/// The active mitigations among the few that change the cost of a packet.
fn mitigations() -> String {
    let found = ["meltdown", "spectre_v2", "spec_rstack_overflow", "retbleed"].map(|name| {
        let state = trimmed(&format!("/sys/devices/system/cpu/vulnerabilities/{name}"));
        let is_on = state != "Not affected" && state != "unknown";
        is_on.then(|| format!("{name}: {}", state.split(';').next().unwrap_or_default()))
    });
    let found: Vec<String> = found.into_iter().flatten().collect();
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

fn trimmed(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, model)| model.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_model_is_behind_the_colon() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2.60GHz\nflags\t: fpu\n";
        assert_eq!(cpu_model(text), Some("Some CPU @ 2.60GHz"));
        assert_eq!(cpu_model("processor: 0"), None);
    }
}
