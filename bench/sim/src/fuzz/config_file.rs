//! Settings files: every problem is a sentence with a place, none is a panic.

use shared::config::{Config, Layers};

/// Reads the text as a file on top of the defaults and makes sense of it.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut layers = Layers::default();
    if let Err(problem) = layers.add_file("fuzz.toml", &text) {
        assert!(problem.to_string().starts_with("fuzz.toml:"), "{problem}");
        return;
    }
    match Config::from_layers(&layers) {
        Ok(config) => drop(config.warnings(&layers)),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            assert!(problems.iter().all(|problem| !problem.text.is_empty()));
        }
    }
}

/// Sections, keys and values.
pub const WORDS: &[&str] = &[
    "\n",
    "[node]\n",
    "[sip]\n",
    "[media]\n",
    "[http]\n",
    "[webhook]\n",
    "[edges.a]\n",
    "[edges]\n",
    "[[trunk]]\n",
    "[trunk]\n",
    "[retention]\n",
    "id = 65536\n",
    "udp = [\"0.0.0.0:5060\"]\n",
    "udp = []\n",
    "tcp = []\n",
    "ports = \"10000-19999\"\n",
    "cores = \"0-1,4\"\n",
    "cores = [0, 0]\n",
    "latch = \"any\"\n",
    "public_address = \"auto\"\n",
    "allow_private = [\"::/0\"]\n",
    "bytes = \"10 GiB\"\n",
    "targets = 1\n",
    "name = \"a\"\n",
    "\"\"\"",
    "''",
    "[",
    "]",
    "{",
    "}",
    "=",
    ".",
    "#",
    "-1",
    "1e400",
    "inf",
    "true",
    "1979-05-27",
    "\\u0000",
    "\u{e9}",
];
