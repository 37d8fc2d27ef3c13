//! Plots of the media bench: cost a packet over streams, delay by percentile. Shell: writes SVG files.

use std::path::Path;

use super::contender::Contender;
use super::generator::Pace;
use super::scenario::{RELAY, Scenario};
use super::site::Site;
use super::tally::Tally;
use crate::chart::{self, Axes, Line};
use crate::report::Section;

/// Draws all plots; the section names their files, or the reason why one is missing.
pub(super) fn draw(tallies: &[(&Scenario, Tally)], site: &Site, folder: &Path) -> Section {
    let mut section = Section::new(&format!("Media on {}: plots", site.name()), &[]);
    let cost = Axes {
        title: "CPU time of the machine that a relayed packet adds, saturated",
        x: "streams (two a call)",
        y: "CPU ns a packet",
        logarithmic: false,
        x_names: &[],
    };
    let paced = Axes {
        title: "CPU time of the machine that a relayed packet adds, 50 packets/s a stream",
        ..cost
    };
    let delay = Axes {
        title: "Delay through the relay, 2,000 streams at 50 packets/s each",
        x: "percentile of packets",
        y: "microseconds, sender to receiver",
        logarithmic: true,
        x_names: PERCENTILES,
    };
    let plots = [
        ("relay-saturated.svg", cost, costs(tallies, true)),
        ("relay-paced.svg", paced, costs(tallies, false)),
        ("relay-delay.svg", delay, delays(tallies)),
    ];
    for (name, axes, lines) in plots {
        let name = format!("{}-{name}", site.name());
        match chart::draw(&axes, &lines, &folder.join(&name)) {
            Ok(()) => section.note(format!("{}", folder.join(&name).display())),
            Err(error) => section.note(format!("{name}: NOT DRAWN: {error}.")),
        }
    }
    section
}

/// CPU nanoseconds that a relay adds to a packet, over the number of streams.
fn costs(tallies: &[(&Scenario, Tally)], saturated: bool) -> Vec<Line> {
    lines(|contender| {
        let point = |(scenario, tally): &(&Scenario, Tally)| {
            Some((scenario.streams as f64, tally.added_ns(contender)?))
        };
        let mut points: Vec<_> = relays(tallies, saturated).filter_map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    })
}

/// Delay by percentile at the load of 1,000 calls.
fn delays(tallies: &[(&Scenario, Tally)]) -> Vec<Line> {
    let chosen = relays(tallies, false).find(|(scenario, _)| scenario.streams == DELAY_STREAMS);
    let Some((_, tally)) = chosen else { return Vec::new() };
    lines(|contender| {
        let point = |(index, quantile): (usize, &f64)| {
            Some((index as f64, tally.delay_us(contender, *quantile)?.max(1.0)))
        };
        QUANTILES.iter().enumerate().filter_map(point).collect()
    })
}

const DELAY_STREAMS: usize = 2_000;
const QUANTILES: &[f64] = &[0.50, 0.75, 0.90, 0.99, 0.999, 1.0];
const PERCENTILES: &[&str] = &["50", "75", "90", "99", "99.9", "max"];

pub(super) fn relays<'a>(
    tallies: &'a [(&'a Scenario, Tally)],
    saturated: bool,
) -> impl Iterator<Item = &'a (&'a Scenario, Tally)> {
    tallies.iter().filter(move |(scenario, _)| {
        scenario.codecs == RELAY
            && !scenario.is_secured
            && (scenario.pace == Pace::Saturated) == saturated
    })
}

fn lines(points: impl Fn(Contender) -> Vec<(f64, f64)>) -> Vec<Line> {
    let line = |contender: Contender| Line {
        name: contender.name().to_owned(),
        points: points(contender),
    };
    Contender::RELAYS.map(line).into_iter().collect()
}
