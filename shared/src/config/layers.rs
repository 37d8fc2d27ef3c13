//! The values that were given, in layers: defaults, file, variables, flags. Pure.
//!
//! A later layer replaces the value of an earlier one, key by key, so what is kept is one value a key, each
//! with its origin. A former name is resolved when its value comes in: a variable with the old name goes
//! before a file with the new one, and nothing behind this file sees an old name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{SettingValue, Value};
use super::{current_key, fixed_settings, matches_pattern, named_settings, setting};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The declaration.
    Default,
    /// A settings file.
    File {
        /// Path as given.
        path: String,
        /// Line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Name of the variable.
        name: String,
    },
    /// The command line, or the command itself (`demo`).
    Flag {
        /// The flag as typed, or the name of the command.
        name: String,
    },
}

impl Origin {
    fn is_same_layer(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment { name } | Self::Flag { name } => f.write_str(name),
        }
    }
}

/// One thing that is wrong with the settings, as a sentence for the person who wrote them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it is written.
    pub origin: Origin,
    /// The problem, naming the key.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.text)
    }
}

impl std::error::Error for Problem {}

/// A value and where it came from.
#[derive(Clone, Debug)]
struct Layered {
    value: Value,
    origin: Origin,
    /// Plain text of a variable or a flag: it may be meant as text or as TOML.
    plain: bool,
    /// The former name of the key under which it was given.
    former: Option<String>,
}

/// All values that were given, by key; a later layer has replaced an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    values: BTreeMap<String, Layered>,
    /// Tables without any key in them: nothing is set, but their name must be known.
    empty_tables: BTreeMap<String, Origin>,
    /// Keys given under a former name, replaced values too.
    renamed: Vec<Problem>,
    /// Keys given under two names in one layer.
    doubled: Vec<Problem>,
}

impl Layers {
    /// Adds a TOML document.
    ///
    /// # Errors
    /// When the text is not TOML: one problem with the line.
    pub fn add_file(&mut self, path: &str, text: &str) -> Result<(), Problem> {
        let document = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            Problem {
                origin: Origin::File { path: path.to_owned(), line },
                text: format!("this is not TOML: {}", error.message()),
            }
        })?;
        self.add_table(&FileText { path, text }, "", document.get_ref());
        Ok(())
    }

    fn add_table(&mut self, file: &FileText<'_>, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = match prefix {
                "" => name.get_ref().to_string(),
                prefix => format!("{prefix}.{}", name.get_ref()),
            };
            self.add_node(file, key, name.span().start, value);
        }
    }

    /// Tables, and lists of tables (`[[trunk]]`), are walked into; everything else is a value.
    fn add_node(
        &mut self,
        file: &FileText<'_>,
        key: String,
        at: usize,
        value: &Spanned<DeValue<'_>>,
    ) {
        let origin = file.origin(at);
        match value.get_ref() {
            DeValue::Table(table) if table.is_empty() => {
                self.empty_tables.insert(key, origin);
            }
            DeValue::Table(table) => self.add_table(file, &key, table),
            DeValue::Array(list) if list.iter().any(|item| item.get_ref().is_table()) => {
                for (index, item) in list.iter().enumerate() {
                    self.add_node(file, format!("{key}.{index}"), item.span().start, item);
                }
            }
            value => {
                let value = plain_value(value);
                self.add_value(key, Layered { value, origin, plain: false, former: None });
            }
        }
    }

    /// Adds one environment variable `SIDETONE_SECTION__KEY`. Variables without that prefix are ignored.
    ///
    /// # Errors
    /// When the name has the prefix but is a mistyped setting: the problem names the right one.
    pub fn add_variable(&mut self, name: &str, text: &str) -> Result<(), Problem> {
        let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else { return Ok(()) };
        if !rest.contains("__") {
            return Self::check_stray_variable(name, rest);
        }
        let key = rest.split("__").collect::<Vec<_>>().join(".").to_ascii_lowercase();
        self.add_plain(key, text, Origin::Environment { name: name.to_owned() });
        Ok(())
    }

    /// A variable without `__` names no setting; it is an error only where one was plainly meant.
    fn check_stray_variable(name: &str, rest: &str) -> Result<(), Problem> {
        let flat = rest.to_ascii_lowercase();
        let meant = fixed_settings().find(|setting| setting.key.replace('.', "_") == flat);
        match meant {
            None => Ok(()),
            Some(setting) => Err(Problem {
                origin: Origin::Environment { name: name.to_owned() },
                text: format!(
                    "section and key are joined by two underscores: did you mean `{}`?",
                    variable_name(setting.key)
                ),
            }),
        }
    }

    /// Adds a value from the command line; `name` is what was typed.
    pub fn add_flag(&mut self, name: &str, key: &str, text: &str) {
        self.add_plain(key.to_owned(), text, Origin::Flag { name: name.to_owned() });
    }

    fn add_plain(&mut self, key: String, text: &str, origin: Origin) {
        let value = Value::Text(text.to_owned());
        self.add_value(key, Layered { value, origin, plain: true, former: None });
    }

    /// Puts a value on top of what the key had before.
    fn add_value(&mut self, key: String, mut layered: Layered) {
        let key = match current_key(&key) {
            Some(current) => {
                let text = format!("`{key}` is now named `{current}`: rename it");
                self.renamed.push(Problem { origin: layered.origin.clone(), text });
                layered.former = Some(key);
                current
            }
            None => key,
        };
        if let Some(below) = self.values.get(&key)
            && below.origin.is_same_layer(&layered.origin)
            && let (Some(former), None) | (None, Some(former)) = (&below.former, &layered.former)
        {
            let text =
                format!("`{former}` is the former name of `{key}`, which is set as well: keep one");
            self.doubled.push(Problem { origin: layered.origin.clone(), text });
        }
        self.values.insert(key, layered);
    }

    /// Whether any layer sets this key.
    pub fn is_set(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Where the value of a key comes from.
    pub fn origin(&self, key: &str) -> Origin {
        self.values.get(key).map_or(Origin::Default, |layered| layered.origin.clone())
    }

    /// The value of a key as it was written, or its default, as TOML text.
    pub fn shown(&self, key: &str) -> String {
        match self.values.get(key) {
            Some(layered) => toml_text(&layered.value),
            None => setting(key).map_or_else(String::new, |setting| setting.default.to_owned()),
        }
    }

    /// Every key that has a value below names (`edges.frankfurt.listen`), in order.
    pub fn named_keys(&self) -> impl Iterator<Item = &str> {
        self.values
            .keys()
            .map(String::as_str)
            .filter(|key| named_settings().any(|setting| matches_pattern(setting.key, key)))
    }

    /// Reads one setting; pushes a problem and gives `None` for a value of the wrong shape.
    pub(super) fn read<T: SettingValue>(
        &self,
        key: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<T> {
        let read = match self.values.get(key) {
            Some(layered) => layered.read(),
            None => setting(key).and_then(|setting| T::read(&parse_value(setting.default)?)),
        };
        if read.is_none() {
            let shown = self.shown(key);
            problems.push(self.problem(key, &format!("= {shown}: expected {}", T::SHAPE)));
        }
        read
    }

    /// A problem with the value of a key: the key, as it was written, and then the text.
    pub(super) fn problem(&self, key: &str, text: &str) -> Problem {
        let former = self.values.get(key).and_then(|layered| layered.former.as_deref());
        Problem { origin: self.origin(key), text: format!("`{}` {text}", former.unwrap_or(key)) }
    }

    /// A warning for every key that was given under a former name.
    pub(super) fn renamed(&self) -> impl Iterator<Item = &Problem> {
        self.renamed.iter()
    }

    /// A problem for every key that one layer gives under both its names: which one counts would be a guess.
    pub(super) fn doubled(&self) -> impl Iterator<Item = &Problem> {
        self.doubled.iter()
    }

    /// Every value's key and origin, in the order of the keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = (&String, &Origin)> {
        self.values.iter().map(|(key, layered)| (key, &layered.origin))
    }

    /// Tables without a key in them, and where they stand.
    pub(super) fn empty_tables(&self) -> impl Iterator<Item = (&String, &Origin)> {
        self.empty_tables.iter()
    }

    /// The names one level below a section, in order (numbers as numbers).
    pub(super) fn names_below(&self, section: &str) -> Vec<String> {
        let below = |key: &String| {
            let rest = key.strip_prefix(section)?.strip_prefix('.')?;
            Some(rest.split('.').next().unwrap_or(rest).to_owned())
        };
        let keys = self.values.keys().chain(self.empty_tables.keys());
        let names: BTreeSet<String> = keys.filter_map(below).collect();
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_by_key(|name| name.parse::<u32>().unwrap_or(u32::MAX));
        names
    }
}

impl Layered {
    fn read<T: SettingValue>(&self) -> Option<T> {
        let Value::Text(text) = &self.value else { return T::read(&self.value) };
        if !self.plain {
            return T::read(&self.value);
        }
        let toml = parse_value(text).as_ref().and_then(T::read);
        match text.trim_start().starts_with(['[', '"', '\'']) {
            true => toml.or_else(|| T::read(&self.value)),
            false => T::read(&self.value).or(toml),
        }
    }
}

/// The variable that sets a key.
pub fn variable_name(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

struct FileText<'a> {
    path: &'a str,
    text: &'a str,
}

impl FileText<'_> {
    fn origin(&self, at: usize) -> Origin {
        Origin::File { path: self.path.to_owned(), line: line_of(self.text, at) }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn parse_value(text: &str) -> Option<Value> {
    DeValue::parse(text).ok().map(|value| plain_value(value.get_ref()))
}

fn plain_value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number that is too large"), Value::Integer),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Array(list) => {
            Value::List(list.iter().map(|item| plain_value(item.get_ref())).collect())
        }
        DeValue::Float(_) => Value::Other("a fraction"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Table(_) => Value::Other("a table"),
    }
}

fn toml_text(value: &Value) -> String {
    match value {
        Value::Text(text) => toml::Value::String(text.clone()).to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(value) => value.to_string(),
        Value::List(list) => {
            format!("[{}]", list.iter().map(toml_text).collect::<Vec<_>>().join(", "))
        }
        Value::Other(word) => (*word).to_owned(),
    }
}

/// Prefix of every variable that names a setting.
pub const VARIABLE_PREFIX: &str = "SIDETONE_";

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn a_later_layer_wins_and_is_named_as_the_origin() {
        let mut layers = Layers::default();
        layers.add_file("a.toml", "[http]\nlisten = [\"127.0.0.1:1\"]\n").expect("valid");
        layers.add_variable("SIDETONE_HTTP__LISTEN", "127.0.0.1:2").expect("a setting");
        let config = Config::from_layers(&layers).expect("valid");
        assert_eq!(config.http.listen[0].port(), 2);
        assert_eq!(layers.origin("http.listen").to_string(), "SIDETONE_HTTP__LISTEN");
        layers.add_flag("--set http.listen", "http.listen", "[\"127.0.0.1:3\"]");
        let config = Config::from_layers(&layers).expect("valid");
        assert_eq!(config.http.listen[0].port(), 3);
        assert_eq!(layers.origin("node.id"), Origin::Default);
    }

    #[test]
    fn numbers_and_words_in_variables_need_no_quotes() {
        let mut layers = Layers::default();
        for (name, text) in [
            ("SIDETONE_NODE__ID", "7"),
            ("SIDETONE_SIP__ALLOW_PRIVATE_TARGETS", "false"),
            ("SIDETONE_NODE__DOMAIN_SUFFIX", "example.test"),
            ("SIDETONE_NODE__DATA_DIR", "7"),
            ("SIDETONE_MEDIA__CORES", "[0, 1]"),
            ("SIDETONE_ACCOUNT_SID", "names no setting"),
        ] {
            layers.add_variable(name, text).expect("a setting");
        }
        let config = Config::from_layers(&layers).expect("valid");
        assert_eq!(config.node.id, 7);
        assert!(!config.sip.allow_private_targets);
        assert_eq!(config.node.data_dir, std::path::PathBuf::from("7"));
        assert_eq!(config.media.cores, super::super::Cores::List(vec![0, 1]));
    }

    #[test]
    fn a_variable_with_one_underscore_names_the_right_one() {
        let problem = Layers::default()
            .add_variable("SIDETONE_HTTP_LISTEN", "127.0.0.1:1")
            .expect_err("mistyped");
        assert!(problem.to_string().contains("`SIDETONE_HTTP__LISTEN`"), "{problem}");
    }

    #[test]
    fn broken_toml_names_its_line() {
        let problem = Layers::default().add_file("a.toml", "[node]\nid = \n").expect_err("broken");
        assert!(problem.to_string().starts_with("a.toml:2:"), "{problem}");
    }
}
