//! spandsp's DTMF receiver on our samples, in a small program that the bench compiles when it runs. Shell.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A compiled driver, and the file it is given samples in.
pub(super) struct Spandsp {
    program: PathBuf,
    samples: PathBuf,
    /// Debian's version of the library.
    pub version: String,
}

/// A detected digit, and the number of samples before the detection.
pub(super) type Detection = (u64, u8);

impl Spandsp {
    /// Compiles the driver.
    ///
    /// # Errors
    /// A sentence that names what is missing: library, compiler or folder.
    pub fn build(may_install: bool) -> Result<Self, String> {
        if !Path::new(LIBRARY).exists() && may_install {
            install(&["libspandsp2"]);
        }
        if !Path::new(LIBRARY).exists() {
            return Err(
                "spandsp is not installed; install it with `apt-get install libspandsp2`".into()
            );
        }
        let folder = PathBuf::from("target/bench/dsp");
        fs::create_dir_all(&folder)
            .map_err(|error| format!("no folder for the driver: {error}"))?;
        let (source, program) = (folder.join("spandsp.c"), folder.join("spandsp_driver"));
        fs::write(&source, include_str!("spandsp.c"))
            .map_err(|error| format!("the driver cannot be written: {error}"))?;
        let compiled = Command::new("cc")
            .args(["-O2", "-o"])
            .arg(&program)
            .arg(&source)
            .arg(LIBRARY)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("no C compiler: {error}"))?;
        if !compiled.status.success() {
            let text = String::from_utf8_lossy(&compiled.stderr);
            return Err(format!("the driver does not compile: {text}"));
        }
        Ok(Self { program, samples: folder.join("samples.raw"), version: version() })
    }

    /// The digits that it detects in samples.
    ///
    /// # Errors
    /// The driver failed.
    pub fn digits(&self, samples: &[i16]) -> Result<Vec<Detection>, String> {
        let text = self.run(samples, &["hits"])?;
        let line = |line: &str| {
            let (position, digit) = line.split_once(' ')?;
            Some((position.parse().ok()?, *digit.as_bytes().first()?))
        };
        Ok(text.lines().filter_map(line).collect())
    }

    /// CPU nanoseconds of 160 samples.
    ///
    /// # Errors
    /// The driver failed.
    pub fn cost(&self, samples: &[i16], passes: usize) -> Result<f64, String> {
        let text = self.run(samples, &["cost", &passes.to_string()])?;
        text.trim().parse().map_err(|_| format!("the driver said {text:?}"))
    }

    fn run(&self, samples: &[i16], arguments: &[&str]) -> Result<String, String> {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        fs::write(&self.samples, bytes).map_err(|error| error.to_string())?;
        let output = Command::new(&self.program)
            .arg(&self.samples)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("the driver ended with {}", output.status));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Installs Debian packages where they are missing. Failures are ignored: the caller looks for the files.
pub(super) fn install(packages: &[&str]) {
    eprintln!("load: installing {}", packages.join(" "));
    let apt_get = |arguments: &[&str]| {
        Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let wanted = [&["install", "-y", "-q", "--no-install-recommends"], packages].concat();
    if !apt_get(&wanted) {
        apt_get(&["update", "-q"]);
        apt_get(&wanted);
    }
}

fn version() -> String {
    let query = Command::new("dpkg-query")
        .args(["-W", "-f=${Version}", "libspandsp2"])
        .stdin(Stdio::null())
        .output();
    query.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// The library itself: no development package is needed.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/libspandsp.so.2";
