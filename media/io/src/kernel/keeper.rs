//! The thread of the fast path: renews the lease, and tells the cores and the program what changes around them.
//!
//! It sleeps between two renewals, and wakes when a route, an interface, a neighbour or a driver changes. It raises the
//! numbers by which cores look up routes and neighbours, and follows the interfaces ([`super::attachments`]). Legs of an
//! earlier process, found in its pins, go on until its lease would have ended; then the thread takes back those that no
//! core has taken over, because nobody reads their figures or hears their BYE.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use shared::{Instant, MediaPort};

use super::attachments::Attachments;
use super::fast_path::FastPath;
use super::neighbour::NeighbourWatch;
use super::route::RouteWatch;
use super::tier::Shared;
use crate::clock;
use crate::config::IoConfig;

/// What the thread listens to. Opened before the first leg is given, so that no change is missed.
#[derive(Debug)]
pub(super) struct Watches {
    routes: RouteWatch,
    neighbours: NeighbourWatch,
}

impl Watches {
    pub fn open() -> io::Result<Self> {
        Ok(Self { routes: RouteWatch::open()?, neighbours: NeighbourWatch::open()? })
    }
}

/// The state of the thread.
pub(super) struct Keeper {
    pub shared: Arc<Shared>,
    pub stop: Arc<OwnedFd>,
    pub watches: Watches,
    pub adopted: Adopted,
    pub attachments: Attachments,
    /// When it looked at the interfaces last.
    pub followed: Instant,
}

impl Keeper {
    pub fn run(mut self) {
        let mut has_changed = false;
        while !self.is_stopped(if has_changed { FOLLOW_MIN } else { RENEW }) {
            if self.watches.routes.has_changed() {
                self.shared.generation.fetch_add(1, Ordering::Relaxed);
                has_changed = true;
            }
            self.watches.neighbours.read(&self.shared.neighbours);
            if let Some(drivers) = self.attachments.drivers() {
                drivers.refresh(&self.shared.path);
            }
            let now = clock::now();
            self.shared.path.renew(now + LEASE);
            if self.adopted.until <= now {
                self.adopted.end(&self.shared.path);
            }
            // A host that makes and removes containers all the time must not keep the thread busy.
            if has_changed && now.since(self.followed) >= FOLLOW_MIN {
                // What is refused is counted as left out; its calls stay in user space.
                let _ = self.attachments.follow(&self.shared.path);
                self.followed = now;
                has_changed = false;
            }
        }
    }

    /// Sleeps until this time is over, something changes, or the stop.
    fn is_stopped(&mut self, sleep: Duration) -> bool {
        let Watches { routes, neighbours } = &self.watches;
        // Without news of drivers the fourth place repeats the third.
        let drivers = self.attachments.drivers().and_then(|drivers| drivers.socket());
        let sockets =
            [routes.socket(), neighbours.socket(), drivers.unwrap_or(neighbours.socket())];
        let [routes, neighbours, drivers] =
            sockets.map(|socket| PollFd::new(socket, PollFlags::IN));
        let mut waits = [PollFd::new(&*self.stop, PollFlags::IN), routes, neighbours, drivers];
        let timeout =
            Timespec { tv_sec: sleep.as_secs() as i64, tv_nsec: sleep.subsec_nanos().into() };
        let _ = poll(&mut waits, Some(&timeout));
        waits[0].revents().contains(PollFlags::IN)
    }
}

/// Legs that an earlier process gave.
pub(super) struct Adopted {
    /// The end of its lease.
    pub until: Instant,
    /// Each with the word's generation at that time: a core that gives the leg anew raises it.
    legs: Vec<(MediaPort, u16)>,
}

impl Adopted {
    pub fn of(path: &FastPath, config: &IoConfig) -> Self {
        let mut legs = Vec::new();
        for address in 0..config.addresses.len() {
            for rtp in config.ports.clone().filter(|port| port.is_multiple_of(2)) {
                let port = MediaPort { address: address as u8, rtp };
                let generation = path.entry(port).and_then(|entry| entry.generation_on());
                legs.extend(generation.map(|generation| (port, generation)));
            }
        }
        Self { until: path.valid_until(), legs }
    }

    pub fn end(&mut self, path: &FastPath) {
        for (port, generation) in self.legs.drain(..) {
            if let Some(entry) = path.entry(port) {
                entry.end(generation);
            }
        }
    }
}

/// Time that the programs may relay without a sign of life of the process.
pub const LEASE: Duration = Duration::from_secs(10);
const RENEW: Duration = Duration::from_secs(1);
/// Least time between two looks at the interfaces.
const FOLLOW_MIN: Duration = Duration::from_millis(100);
