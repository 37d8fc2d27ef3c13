//! The table of what a relayed packet costs over the number of streams. Pure.

use super::contender::Contender;
use super::plot::relays;
use super::scenario::Scenario;
use super::site::Site;
use super::tally::Tally;
use crate::report::{Section, whole};

/// A column a number of streams that was measured saturated, and the spread over all of them.
pub(super) fn section(tallies: &[(&Scenario, Tally)], site: &Site) -> Section {
    let mut measured: Vec<_> = relays(tallies, true).collect();
    measured.sort_by_key(|(scenario, _)| scenario.streams);
    let streams = measured.iter().map(|(scenario, _)| format!("{} streams", scenario.streams));
    let columns: Vec<String> =
        ["relay".to_owned()].into_iter().chain(streams).chain(["spread".to_owned()]).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let title = format!("Media on {}: CPU ns of the machine that a relay adds", site.name());
    let mut section = Section::new(&title, &columns);
    for contender in Contender::RELAYS {
        let costs: Vec<Option<f64>> =
            measured.iter().map(|(_, tally)| tally.added_ns(contender)).collect();
        if costs.iter().all(Option::is_none) {
            continue;
        }
        let cells = costs.iter().map(|cost| whole(*cost)).chain([spread(&costs)]);
        section.row([contender.name().to_owned()].into_iter().chain(cells));
    }
    section.note("PCMU relay, saturated. Spread: half of the range, as a part of its middle.");
    section
}

fn spread(costs: &[Option<f64>]) -> String {
    let known = || costs.iter().copied().flatten();
    let (low, high) = (known().fold(f64::MAX, f64::min), known().fold(f64::MIN, f64::max));
    match known().count() {
        0 | 1 => "–".to_owned(),
        _ => format!("±{:.0} %", (high - low) / (high + low) * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_around_the_middle_of_the_range() {
        assert_eq!(spread(&[Some(900.0), None, Some(1_100.0), Some(950.0)]), "±10 %");
        assert_eq!(spread(&[Some(900.0), None]), "–");
    }
}
