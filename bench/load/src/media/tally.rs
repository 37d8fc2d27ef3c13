//! The rounds of one scenario, by contender, and the table they make. Pure.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::contender::Contender;
use super::generator::Pace;
use super::round::Figures;
use crate::report::{Section, factor, whole};
use crate::rounds::Rounds;

/// Whether one of our relays kept its promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No byte changed, every packet is accounted for, every round ran.
    Sound,
    /// At least one of these failed.
    Broken,
}

/// All rounds of a scenario.
pub(crate) struct Tally {
    entries: Vec<Entry>,
    pace: Pace,
    cut_after: Option<usize>,
}

struct Entry {
    contender: Contender,
    /// CPU time a packet, by round.
    ns: BTreeMap<usize, f64>,
    /// CPU time of the machine a packet, by round.
    machine_ns: BTreeMap<usize, f64>,
    else_percent: Rounds,
    disturbed: Rates,
    undisturbed: Rates,
    sent: u64,
    lost: u64,
    corrupt: u64,
    disordered: u64,
    is_fifo: bool,
    failure: Option<String>,
    /// Delays in microseconds: of quiet rounds, or of all rounds where none was quiet.
    quiet_delays: Option<Histogram<u64>>,
    delays: Option<Histogram<u64>>,
}

#[derive(Default)]
struct Rates {
    packets_a_second: Rounds,
    core_percent: Rounds,
    p50_us: Rounds,
    p99_us: Rounds,
    p999_us: Rounds,
}

impl Tally {
    pub fn new(contenders: &[Contender], pace: Pace) -> Self {
        let entry = |&contender: &Contender| Entry {
            contender,
            ns: BTreeMap::new(),
            machine_ns: BTreeMap::new(),
            else_percent: Rounds::default(),
            disturbed: Rates::default(),
            undisturbed: Rates::default(),
            sent: 0,
            lost: 0,
            corrupt: 0,
            disordered: 0,
            is_fifo: true,
            failure: None,
            quiet_delays: None,
            delays: None,
        };
        Self { entries: contenders.iter().map(entry).collect(), pace, cut_after: None }
    }

    /// Adds a round.
    pub fn add(&mut self, round: usize, contender: Contender, figures: &Figures) {
        if let Some(entry) = self.entry(contender) {
            entry.add(round, figures);
        }
    }

    /// Notes why a round of a contender is missing.
    pub fn fail(&mut self, contender: Contender, reason: String) {
        eprintln!("load:   {}: {reason}", contender.name());
        if let Some(entry) = self.entry(contender) {
            entry.failure.get_or_insert(reason);
        }
    }

    /// Notes that time ran out after `rounds` rounds.
    pub fn cut_short(&mut self, rounds: usize) {
        self.cut_after = Some(rounds);
    }

    /// Whether every round ran under SCHED_FIFO.
    pub fn is_fifo(&self) -> bool {
        self.entries.iter().all(|entry| entry.is_fifo)
    }

    pub fn verdict(&self) -> Verdict {
        let is_ours = |entry: &&Entry| entry.contender != Contender::Rtpengine;
        let is_broken = |entry: &Entry| entry.corrupt > 0 || entry.failure.is_some();
        match self.entries.iter().filter(is_ours).any(is_broken) {
            true => Verdict::Broken,
            false => Verdict::Sound,
        }
    }

    /// The table; `missing` is the reason why rtpengine is missing.
    pub fn section(&self, title: &str, missing: Option<&str>) -> Section {
        let mut section = Section::new(title, COLUMNS);
        for entry in &self.entries {
            let times = |other| self.times(other, entry, Entry::thread_ns).median();
            let added = |other| self.times(other, entry, |entry| self.added(entry)).median();
            let mut cells = entry.cells();
            cells.extend([
                factor(times(Contender::Rtpengine)),
                factor(times(Contender::Portable)),
                factor(self.over_bare(entry).median()),
                whole(median(&entry.machine_ns)),
                whole(median(&self.added(entry))),
                whole(entry.else_percent.median()),
                whole(self.added_p99_us(entry)),
                factor(added(Contender::IoUring)),
                factor(added(Contender::Rtpengine)),
            ]);
            section.row(cells);
            let name = entry.contender.name();
            match (&entry.failure, missing) {
                (_, Some(reason)) if entry.contender == Contender::Rtpengine => {
                    section.note(format!("{name}: not measured: {reason}."));
                }
                (Some(reason), _) => section.note(format!("{name}: FAILED: {reason}.")),
                (None, _) => {}
            }
        }
        if let Some(rounds) = self.cut_after {
            section.note(format!("Cut short after {rounds} rounds: the bench's time ran out."));
        }
        section
    }

    /// CPU nanoseconds of the machine that a relay adds to a packet, the median of the rounds.
    pub fn added_ns(&self, contender: Contender) -> Option<f64> {
        median(&self.added(self.find(contender)?))
    }

    /// By round. The cost without a relay is the median of its rounds, because the difference of two rounds varies more.
    fn added(&self, entry: &Entry) -> BTreeMap<usize, f64> {
        let without = self.find(Contender::NoRelay).and_then(|direct| median(&direct.machine_ns));
        let Some(without) = without.filter(|_| entry.contender != Contender::NoRelay) else {
            return BTreeMap::new();
        };
        entry.machine_ns.iter().map(|(round, ns)| (*round, ns - without)).collect()
    }

    /// Saturated, packets wait for each other and a delay says nothing about the relay.
    fn added_p99_us(&self, entry: &Entry) -> Option<f64> {
        let is_paced = matches!(self.pace, Pace::PacketsASecond(_));
        let direct = self.find(Contender::NoRelay).filter(|_| is_paced)?;
        let without = direct.rates().p99_us.median()?;
        let is_relay = entry.contender != Contender::NoRelay;
        entry.rates().p99_us.median().filter(|_| is_relay).map(|with| with - without)
    }

    fn find(&self, contender: Contender) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.contender == contender)
    }

    /// Microseconds from send to return at a quantile, over all packets.
    pub fn delay_us(&self, contender: Contender, quantile: f64) -> Option<f64> {
        let entry = self.find(contender)?;
        let delays = entry.quiet_delays.as_ref().or(entry.delays.as_ref())?;
        Some(delays.value_at_quantile(quantile) as f64)
    }

    /// CPU time of `other` divided by that of `this`, a value a round: both ran within seconds of each
    /// other, so a slower machine affects both.
    fn times(
        &self,
        other: Contender,
        this: &Entry,
        cost: impl Fn(&Entry) -> BTreeMap<usize, f64>,
    ) -> Rounds {
        let mut times = Rounds::default();
        let Some(other) = self.find(other).map(&cost) else { return times };
        for (round, ns) in cost(this) {
            match other.get(&round) {
                // A cost below the noise has no ratio.
                Some(other_ns) if ns > 0.0 => times.push(other_ns / ns),
                Some(_) | None => {}
            }
        }
        times
    }

    /// CPU time of the relay's threads divided by that of the bare loop. The kernel relays on other threads.
    fn over_bare(&self, entry: &Entry) -> Rounds {
        let is_in_user_space = !matches!(
            entry.contender,
            Contender::NoRelay | Contender::Tc | Contender::TcGiven | Contender::BareLoop
        );
        match self.find(Contender::BareLoop).filter(|_| is_in_user_space) {
            Some(bare) => self.times(entry.contender, bare, Entry::thread_ns),
            None => Rounds::default(),
        }
    }

    fn entry(&mut self, contender: Contender) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.contender == contender)
    }
}

const COLUMNS: &[&str] = &[
    "relay",
    "ns/packet",
    "from–to",
    "packets/s",
    "core %",
    "p50 us",
    "p99 us",
    "p99.9 us",
    "lost",
    "corrupt",
    "out of order",
    "quiet rounds",
    "CPU of rtpengine / this",
    "CPU of portable / this",
    "CPU of this / bare loop",
    "machine ns/packet",
    "of it added by the relay",
    "else %",
    "added p99 us",
    "added: io_uring / this",
    "added: rtpengine / this",
];

impl Entry {
    fn add(&mut self, round: usize, figures: &Figures) {
        let outcome = &figures.outcome;
        let ns = figures.relay_cpu_ns as f64;
        if outcome.returned > 0 {
            self.ns.insert(round, ns / outcome.returned as f64);
            self.machine_ns.insert(round, figures.machine_ns as f64 / outcome.returned as f64);
            self.else_percent.push(figures.else_share * 100.0);
        }
        let rates =
            if figures.is_disturbed() { &mut self.disturbed } else { &mut self.undisturbed };
        rates.packets_a_second.push(outcome.packets_a_second());
        rates.core_percent.push(ns / outcome.elapsed.as_nanos() as f64 * 100.0);
        rates.p50_us.push(outcome.delay_us.value_at_quantile(0.50) as f64);
        rates.p99_us.push(outcome.delay_us.value_at_quantile(0.99) as f64);
        rates.p999_us.push(outcome.delay_us.value_at_quantile(0.999) as f64);
        if !figures.is_disturbed() {
            merge(&mut self.quiet_delays, &outcome.delay_us);
        }
        merge(&mut self.delays, &outcome.delay_us);
        self.sent += outcome.sent;
        self.lost += outcome.lost();
        self.corrupt += outcome.corrupt;
        self.disordered += outcome.disordered;
        self.is_fifo &= figures.is_fifo;
    }

    /// Rates of quiet rounds where there are any.
    fn rates(&self) -> &Rates {
        if self.undisturbed.p50_us.len() > 0 { &self.undisturbed } else { &self.disturbed }
    }

    fn thread_ns(&self) -> BTreeMap<usize, f64> {
        self.ns.clone()
    }

    fn cells(&self) -> Vec<String> {
        let rates = self.rates();
        let quiet = self.undisturbed.p50_us.len();
        let ns: Rounds = self.ns.values().copied().collect();
        let (median, range) = (ns.median(), ns.range());
        vec![
            self.contender.name().to_owned(),
            whole(median),
            range.map_or_else(|| "–".to_owned(), |(low, high)| format!("{low:.0}–{high:.0}")),
            whole(rates.packets_a_second.median()),
            whole(rates.core_percent.median()),
            whole(rates.p50_us.median()),
            whole(rates.p99_us.median()),
            whole(rates.p999_us.median()),
            self.lost_share(),
            self.corrupt.to_string(),
            self.disordered.to_string(),
            format!("{quiet} of {}", quiet + self.disturbed.p50_us.len()),
        ]
    }

    fn lost_share(&self) -> String {
        match (self.lost, self.sent) {
            (0, _) | (_, 0) => "0".to_owned(),
            (lost, sent) => format!("{:.3} %", lost as f64 * 100.0 / sent as f64),
        }
    }
}

fn median(by_round: &BTreeMap<usize, f64>) -> Option<f64> {
    by_round.values().copied().collect::<Rounds>().median()
}

fn merge(all: &mut Option<Histogram<u64>>, some: &Histogram<u64>) {
    match all {
        Some(all) => {
            // Both have equal bounds, so no value is out of range.
            let _ = all.add(some);
        }
        None => *all = Some(some.clone()),
    }
}
