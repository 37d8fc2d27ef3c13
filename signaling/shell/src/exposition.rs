//! The Prometheus text exposition format 0.0.4. Shell.

use std::fmt::{Display, Write as _};
use std::sync::Arc;

/// A page of metrics, written from top to bottom.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
}

impl Text {
    /// The whole page.
    pub fn finish(self) -> String {
        self.out
    }

    /// Begins a metric with its `# HELP` and `# TYPE` lines.
    pub fn metric(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.out, "# HELP {name} {}\n# TYPE {name} {kind}", help.trim());
    }

    /// Writes one sample. Label values are escaped here.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.out.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.out.push(if index == 0 { '{' } else { ',' });
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.out, "{label}=\"{value}\"");
        }
        let _ = writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

/// An instrument that can stand in a table of the [`metrics!`](crate::metrics) macro.
pub trait Exposed {
    /// Writes help, type and samples. `label` is empty for an instrument without a label.
    fn expose(&self, text: &mut Text, name: &'static str, label: &'static str, help: &str);
}

impl<T: Exposed> Exposed for Arc<T> {
    fn expose(&self, text: &mut Text, name: &'static str, label: &'static str, help: &str) {
        T::expose(self, text, name, label, help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut text = Text::default();
        text.sample("x", &[("a", "q\"\\\n")], 1);
        assert_eq!(text.finish(), "x{a=\"q\\\"\\\\\\n\"} 1\n");
    }
}
