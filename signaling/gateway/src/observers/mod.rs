//! Fans out what Control makes known: rows of history, and events for operators. Shell.
//!
//! The signaling thread publishes each event once, in order, before it carries out the next effect. An
//! [`Observer`] has a bounded queue of its own and decides what happens when that is full, so one that is
//! stuck costs its own events and nobody else's. None may block, take a lock that others hold for long, or
//! call back: `publish` is part of every call.
//!
//! | observer | when it is full |
//! |---|---|
//! | [`stored`], the history in the store | keeps 32 MiB and the journal behind it; a row past that is lost, with an alert |
//! | [`ended_calls`], the executions of flows | loses the end of a call, and says so: flows look up the calls that they wait for |
//! | [`feed`], whoever watches the gateway live | loses its oldest events: what is new is worth more |
//!
//! A new observer is added in `serve/threads.rs`, before calls are taken, so it misses none.

pub mod ended_calls;
pub mod feed;
pub mod stored;

use std::sync::Arc;

use control::Observation;
use store::Change;

use crate::metrics::Metrics;

/// One thing that Control made known.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A row of history, new or newer.
    Row(Change),
    /// An event for operators, the one that is logged.
    Observed(Observation),
}

/// What became of an event at one observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It wants no such events.
    Unwanted,
    /// The event is in its queue.
    Queued,
    /// The queue was full: one event is lost, this one or an older one.
    Lost,
}

/// A reader of events.
pub trait Observer: Send {
    /// The label of its metrics.
    fn name(&self) -> &'static str;

    /// Takes one event. Never blocks.
    fn take(&mut self, event: &Event) -> Taken;

    /// Hands on events that wait on this side of the queue; called once a turn.
    fn flush(&mut self) {}
}

/// All observers, in the order in which each event reaches them.
pub struct Observers {
    list: Vec<Box<dyn Observer>>,
    metrics: Arc<Metrics>,
}

impl Observers {
    /// Without any observer, events end here.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { list: Vec::new(), metrics }
    }

    /// Adds an observer, behind the others.
    #[must_use]
    pub fn with(mut self, observer: impl Observer + 'static) -> Self {
        self.list.push(Box::new(observer));
        self
    }

    /// Gives an event to every observer.
    pub fn publish(&mut self, event: &Event) {
        for observer in &mut self.list {
            match observer.take(event) {
                Taken::Unwanted => {}
                Taken::Queued => {
                    self.metrics.signaling_observers_events_total.count(observer.name());
                }
                Taken::Lost => {
                    self.metrics.signaling_observers_lost_total.count(observer.name());
                }
            }
        }
    }

    /// To be called once a turn: queues that were full may have room again.
    pub fn flush(&mut self) {
        self.list.iter_mut().for_each(|observer| observer.flush());
    }
}

#[cfg(test)]
mod tests {
    use shared::{AccountSid, CallSid};
    use store::{RowKind, TimelineRecord, Unwritten as _};

    use super::feed::{HANDED_OVER_MAX, feed};
    use super::stored::StoredHistory;
    use super::*;
    use crate::history::history;
    use crate::store_thread::Nudge;

    const ROOM: usize = 100;

    fn row(number: u128) -> Event {
        let (call, account) = (CallSid(number), AccountSid(1));
        Event::Row(Change::PutTimeline(Arc::new(TimelineRecord {
            call,
            account,
            json: "{}".to_owned(),
        })))
    }

    #[test]
    fn a_stuck_observer_loses_its_oldest_events_and_history_misses_none() {
        let metrics = Arc::new(Metrics::default());
        let (sender, history) = history();
        let stored = StoredHistory::new(sender, Nudge::nobody(), Arc::clone(&metrics));
        let (live, seen) = feed("live", ROOM);
        let mut observers = Observers::new(Arc::clone(&metrics)).with(live).with(stored);
        let count = HANDED_OVER_MAX + ROOM + 25;
        for number in 0..count {
            observers.publish(&row(number as u128));
        }
        let rows = history.rows(RowKind::Timeline, AccountSid(1), (0, u128::MAX));
        assert_eq!(rows.len(), count, "the other observer is not stuck");
        let (events, lost) =
            (&metrics.signaling_observers_events_total, &metrics.signaling_observers_lost_total);
        assert_eq!((events.value("history"), lost.value("history")), (count as u64, 0));
        assert_eq!((events.value("live"), lost.value("live")), (count as u64 - 25, 25));
        let mut read = Vec::new();
        while let Ok(event) = seen.try_recv() {
            read.push(event);
            observers.flush();
        }
        let first = (0..HANDED_OVER_MAX).chain(count - ROOM..count);
        assert_eq!(read, first.map(|number| row(number as u128)).collect::<Vec<_>>());
    }

    #[test]
    fn history_takes_rows_alone_and_a_feed_that_nobody_reads_any_more_takes_nothing() {
        let metrics = Arc::new(Metrics::default());
        let (sender, history) = history();
        let stored = StoredHistory::new(sender, Nudge::nobody(), Arc::clone(&metrics));
        let (live, seen) = feed("live", ROOM);
        let mut observers = Observers::new(Arc::clone(&metrics)).with(stored).with(live);
        let event = Event::Observed(Observation::Dropped { rule: "overload" });
        observers.publish(&event);
        assert_eq!(seen.try_recv(), Ok(event.clone()));
        assert_eq!(history.waiting(), (None, 0));
        drop(seen);
        (0..2 * ROOM).for_each(|_| observers.publish(&event));
        assert_eq!(metrics.signaling_observers_events_total.value("history"), 0);
        assert_eq!(metrics.signaling_observers_events_total.value("live"), 1);
        assert_eq!(metrics.signaling_observers_lost_total.value("live"), 0);
    }
}
