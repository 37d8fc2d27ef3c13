//! Plots of the call bench: cost of a call and time of its set-up over the call rate. Shell: writes SVG
//! files.

use std::path::Path;

use super::Step;
use crate::chart::{self, Axes, Line};
use crate::report::Section;

/// Draws both plots; the section names their files, or the reason why one is missing.
pub(super) fn draw(curves: &[(&str, Vec<Step>)], folder: &Path) -> Section {
    let mut section = Section::new("Calls: plots", &[]);
    let cost = Axes {
        title: "CPU time of the signaling thread a call",
        x: "calls a second",
        y: "microseconds a call",
        logarithmic: false,
        x_names: &[],
    };
    let delay = Axes {
        title: "Set-up, 99th percentile",
        x: "calls a second",
        y: "milliseconds from INVITE to 200",
        logarithmic: true,
        x_names: &[],
    };
    let plots: [(&str, Axes<'_>, Value); 2] =
        [("calls-cost.svg", cost, Step::signaling_us), ("calls-setup.svg", delay, Step::setup_ms)];
    for (name, axes, value) in plots {
        let lines = curves.iter().map(|(title, steps)| Line {
            name: title.trim_start_matches("Calls a second: ").to_owned(),
            points: steps.iter().map(|step| (f64::from(step.rate), value(step))).collect(),
        });
        let lines: Vec<Line> = lines.collect();
        match chart::draw(&axes, &lines, &folder.join(name)) {
            Ok(()) => section.note(format!("{}", folder.join(name).display())),
            Err(error) => section.note(format!("{name}: NOT DRAWN: {error}.")),
        }
    }
    section
}

impl Step {
    fn signaling_us(&self) -> f64 {
        self.signaling_ns as f64 / f64::from(self.outcome.started.max(1)) / 1_000.0
    }

    fn setup_ms(&self) -> f64 {
        self.outcome.setup_us.value_at_quantile(0.99) as f64 / 1_000.0
    }
}

type Value = fn(&Step) -> f64;
