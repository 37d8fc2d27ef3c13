//! Settings from file, environment and command line; `config check` and `config show`. Shell.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use shared::config::layers::VARIABLE_PREFIX;
use shared::config::{Config, Layers, Origin, Problem, fixed_settings, setting};

/// The sources of settings that the command line names.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`; without it `sidetone.toml` is read if it exists.
    pub file: Option<PathBuf>,
    /// Values that a command (demo) sets below the file: name of the command, key, value.
    pub presets: Vec<(&'static str, &'static str, String)>,
    /// Values from flags: as typed, key, value.
    pub flags: Vec<(String, String, String)>,
    /// Whether `sidetone.toml` is read only if `--config` names it.
    pub ignore_default_file: bool,
}

/// Valid settings, with the source of each value.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The typed values.
    pub config: Config,
    /// The layers they were made from.
    pub layers: Layers,
    /// The file that was read; `None`: there was no file.
    pub file: Option<PathBuf>,
}

/// Reasons the settings cannot be used. The operator's error, except for an unreadable file.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The named file cannot be read.
    #[error("cannot read the settings file {path}: {source}. Check the path given with --config.")]
    Unreadable {
        /// The path as the command line has it.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// One or more values are invalid; all of them are listed, one in a line.
    #[error("{}", listed(.0))]
    Wrong(Vec<Problem>),
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

impl Sources {
    /// Reads all layers: presets, file, `SIDETONE_*` variables, flags; the later wins.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn load(
        &self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Settings, SettingsError> {
        let mut layers = Layers::default();
        let mut problems = Vec::new();
        for (command, key, value) in &self.presets {
            layers.add_flag(command, key, value);
        }
        let file = self.file_to_read();
        if let Some(path) = &file {
            let text = std::fs::read_to_string(path)
                .map_err(|source| SettingsError::Unreadable { path: path.clone(), source })?;
            problems.extend(layers.add_file(&path.display().to_string(), &text).err());
        }
        for (name, value) in variables {
            // The two account variables are not settings: they name the account of the first start.
            if name.starts_with(VARIABLE_PREFIX) && !ACCOUNT_VARIABLES.contains(&name.as_str()) {
                problems.extend(layers.add_variable(&name, &value).err());
            }
        }
        for (typed, key, value) in &self.flags {
            layers.add_flag(typed, key, value);
        }
        match Config::from_layers(&layers) {
            Ok(config) if problems.is_empty() => Ok(Settings { config, layers, file }),
            Ok(_) => Err(SettingsError::Wrong(problems)),
            Err(more) => {
                problems.extend(more);
                Err(SettingsError::Wrong(problems))
            }
        }
    }

    /// [`Sources::load`] with the variables of this process.
    ///
    /// # Errors
    /// As [`Sources::load`].
    pub fn load_from_environment(&self) -> Result<Settings, SettingsError> {
        let text = |value: std::ffi::OsString| value.into_string().ok();
        self.load(std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))))
    }

    fn file_to_read(&self) -> Option<PathBuf> {
        if let Some(path) = &self.file {
            return Some(path.clone());
        }
        let default = Path::new(DEFAULT_FILE);
        (!self.ignore_default_file && default.is_file()).then(|| default.to_owned())
    }
}

impl Settings {
    /// The effective settings as TOML, each with its meaning and its source.
    pub fn shown(&self) -> String {
        let mut out = String::new();
        let mut section = "";
        for setting in fixed_settings() {
            let (of, key) = setting.key.split_once('.').unwrap_or(("", setting.key));
            if of != section {
                let _ = writeln!(out, "{}[{of}]", if section.is_empty() { "" } else { "\n" });
                section = of;
            }
            self.show_one(&mut out, setting.key, key);
        }
        self.show_named(&mut out);
        out
    }

    fn show_one(&self, out: &mut String, full: &str, key: &str) {
        let secret = full.ends_with(".password");
        let value = if secret { "\"…\"".to_owned() } else { self.layers.shown(full) };
        let doc = setting(full).map_or("", |setting| setting.doc);
        let _ = writeln!(out, "#{doc}\n{key} = {value}  # {}", self.layers.origin(full));
    }

    fn show_named(&self, out: &mut String) {
        let mut table = String::new();
        for full in self.layers.named_keys().map(str::to_owned).collect::<Vec<_>>() {
            let Some((of, key)) = full.rsplit_once('.') else { continue };
            if of != table {
                let header = match of.split_once('.') {
                    Some((list @ ("trunk" | "voice"), _)) => format!("[[{list}]]"),
                    _ => format!("[{of}]"),
                };
                let _ = writeln!(out, "\n{header}");
                table = of.to_owned();
            }
            self.show_one(out, &full, key);
        }
    }

    /// Keys whose values differ from `other`, in the order of the reference page.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let shown = |settings: &Self, key: &str| settings.layers.shown(key);
        let fixed = fixed_settings().map(|setting| setting.key);
        let mut keys: Vec<_> = fixed.filter(|key| shown(self, key) != shown(other, key)).collect();
        if self.config.edges != other.config.edges {
            keys.push("edges");
        }
        if self.config.trunks != other.config.trunks {
            keys.push("trunk");
        }
        if self.config.voices != other.config.voices {
            keys.push("voice");
        }
        keys
    }

    /// One sentence for `config check`.
    pub fn summary(&self) -> String {
        let changed = fixed_settings()
            .filter(|setting| self.layers.origin(setting.key) != Origin::Default)
            .count();
        let file = self.file.as_ref().map_or_else(
            || "no settings file".to_owned(),
            |path| format!("settings file {}", path.display()),
        );
        format!(
            "The settings are valid ({file}; {changed} of {} settings differ from nothing being set, \
             {} edges, {} trunks).",
            fixed_settings().count(),
            self.config.edges.len(),
            self.config.trunks.len()
        )
    }
}

/// Read if it exists and `--config` names no other.
pub const DEFAULT_FILE: &str = "sidetone.toml";

/// The account of the first start.
pub const ACCOUNT_VARIABLES: [&str; 2] = ["SIDETONE_ACCOUNT_SID", "SIDETONE_AUTH_TOKEN"];

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("sidetone.toml");
        std::fs::write(&path, file).expect("written");
        let sources = Sources {
            file: Some(path),
            presets: vec![("demo", "node.id", "5".to_owned())],
            ..Sources::default()
        };
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        sources.load(variables.iter().map(owned))
    }

    #[test]
    fn presets_lie_below_the_file_and_the_file_below_variables() {
        let settings = load("", &[]).expect("valid");
        assert_eq!(settings.config.node.id, 5);
        let settings = load("[node]\nid = 6\n", &[]).expect("valid");
        assert_eq!(settings.config.node.id, 6);
        let settings = load("[node]\nid = 6\n", &[("SIDETONE_NODE__ID", "7")]).expect("valid");
        assert_eq!(settings.config.node.id, 7);
    }

    #[test]
    fn mistakes_of_file_and_environment_are_listed_together() {
        let error = load("[sip]\nudb = []\n", &[("SIDETONE_HTTP__LISTN", "x"), ("PATH", "y")])
            .expect_err("two mistakes")
            .to_string();
        assert!(error.contains("sidetone.toml:2"), "{error}");
        assert!(error.contains("did you mean `sip.udp`?"), "{error}");
        assert!(error.contains("SIDETONE_HTTP__LISTN"), "{error}");
        assert!(error.contains("did you mean `http.listen`?"), "{error}");
    }

    #[test]
    fn account_variables_are_not_taken_for_settings() {
        load("", &[("SIDETONE_ACCOUNT_SID", "AC1"), ("SIDETONE_AUTH_TOKEN", "t")]).expect("valid");
    }

    #[test]
    fn what_is_shown_says_where_it_came_from_and_reads_back_the_same() {
        let text = "[http]\nlisten = [\"127.0.0.1:0\"]\n[edges.frankfurt]\npublic_address = \"192.0.2.1\"\n\
                    [[trunk]]\nname = \"c\"\ntargets = [\"sip:192.0.2.2\"]\npassword = \"hidden\"\n";
        let settings = load(text, &[("SIDETONE_NODE__EDGE", "tokyo")]).expect("valid");
        let shown = settings.shown();
        assert!(shown.contains("listen = [\"127.0.0.1:0\"]  # "), "{shown}");
        assert!(shown.contains("edge = \"tokyo\"  # SIDETONE_NODE__EDGE"), "{shown}");
        assert!(shown.contains("id = \"5\"  # demo"), "{shown}");
        assert!(!shown.contains("hidden"), "{shown}");
        let again =
            load(&shown.replace("id = \"5\"", "id = 5"), &[]).expect("its own output is valid");
        assert_eq!(again.config.http, settings.config.http);
        assert_eq!(again.config.edges, settings.config.edges);
    }
}
