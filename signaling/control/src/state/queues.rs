//! Who waits in queues, and who serves them. The queues themselves are stored resources.
//!
//! A call is in one of four places: *parked* while its queue is being made, *waiting*, *taken* by a server and
//! not connected yet, or *serving*. A taken call keeps its place in the order: when its server goes, it returns to
//! the front. A queue has no entry here while nobody waits in it or serves it.

use std::collections::{BTreeMap, VecDeque};

use call::Webhook;
use shared::{AccountSid, CallSid, Instant, QueueSid};
use store::QueueFigures;

use crate::tokens::ApiToken;

/// A call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub call: CallSid,
    /// Number of its entry among all entries of the queue, rising.
    pub place: u64,
    pub since: Instant,
    /// When it entered, Unix milliseconds.
    pub enqueued_ms: i64,
}

/// A call that wants the next one of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub call: CallSid,
    /// Document of the queued call before the two are connected.
    pub whisper: Option<Webhook>,
}

/// A call that waits until its queue is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    pub call: CallSid,
    pub max_size: Option<u32>,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    servers: VecDeque<Server>,
    last_place: u64,
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    queue: QueueSid,
    waiting: Waiting,
    by: CallSid,
}

/// A deletion that is answered.
#[derive(Debug)]
pub(crate) struct Deletion {
    pub queue: QueueSid,
    pub account: AccountSid,
    pub name: String,
    /// Calls that wanted to enter meanwhile.
    pub parked: Vec<Parked>,
    /// Calls that serve the queue.
    pub servers: Vec<CallSid>,
}

#[derive(Debug)]
struct Deleting {
    queue: QueueSid,
    account: AccountSid,
    name: String,
    parked: Vec<Parked>,
}

/// All queues with a call. Each call is in one of them at most, so the limit on calls bounds them.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    lines: BTreeMap<QueueSid, Line>,
    /// The queue that a call waits in or serves.
    of_call: BTreeMap<CallSid, QueueSid>,
    taken: BTreeMap<CallSid, Taken>,
    /// Queues that are being made, with the calls that wait for that.
    making: BTreeMap<ApiToken, (AccountSid, String, Vec<Parked>)>,
    /// Queues whose deletion is on its way to disk, with the calls that wanted to enter meanwhile.
    deleting: BTreeMap<ApiToken, Deleting>,
    last_token: u64,
}

/// Tokens of writes that Control itself makes; the shell numbers its own from 0.
const OWN_TOKENS: u64 = 1 << 63;

impl Queues {
    /// Parks a call until a queue is made. Returns the token of the write to make, where none is under way.
    pub fn park(&mut self, account: AccountSid, name: &str, parked: Parked) -> Option<ApiToken> {
        let same =
            |(of, known, _): &(AccountSid, String, Vec<Parked>)| *of == account && known == name;
        if let Some((_, _, calls)) = self.making.values_mut().find(|making| same(making)) {
            calls.push(parked);
            return None;
        }
        self.last_token += 1;
        let token = ApiToken(OWN_TOKENS | self.last_token);
        self.making.insert(token, (account, name.to_owned(), vec![parked]));
        Some(token)
    }

    /// The write of a queue is answered: its account and name, and the calls that waited for it.
    pub fn made(&mut self, token: ApiToken) -> Option<(AccountSid, String, Vec<Parked>)> {
        self.making.remove(&token)
    }

    /// REST deletes a queue, by the write of this token.
    pub fn delete(&mut self, token: ApiToken, queue: QueueSid, account: AccountSid, name: &str) {
        let deleting = Deleting { queue, account, name: name.to_owned(), parked: Vec::new() };
        self.deleting.insert(token, deleting);
    }

    /// Parks a call until it is certain whether its queue is deleted. `false`: nobody deletes it.
    pub fn park_behind_deletion(&mut self, queue: QueueSid, parked: &Parked) -> bool {
        let found = self.deleting.values_mut().find(|deleting| deleting.queue == queue);
        found.map(|deleting| deleting.parked.push(parked.clone())).is_some()
    }

    /// The write of this token is answered: the queue that it was about, its account and name, the calls that wait for
    /// that, and those that serve it.
    pub fn deleted(&mut self, token: ApiToken) -> Option<Deletion> {
        let Deleting { queue, account, name, parked } = self.deleting.remove(&token)?;
        let line = self.lines.get(&queue);
        let servers = line.into_iter().flat_map(|line| &line.servers).map(|server| server.call);
        Some(Deletion { queue, account, name, parked, servers: servers.collect() })
    }

    /// The queue that a taken call would return to.
    pub fn taken_from(&self, call: CallSid) -> Option<QueueSid> {
        self.taken.get(&call).map(|taken| taken.queue)
    }

    /// Number of calls that wait.
    pub fn size(&self, queue: QueueSid) -> usize {
        self.lines.get(&queue).map_or(0, |line| line.waiting.len())
    }

    /// A call waits at the end.
    pub fn wait(&mut self, queue: QueueSid, call: CallSid, since: Instant, enqueued_ms: i64) {
        let line = self.lines.entry(queue).or_default();
        line.last_place += 1;
        line.waiting.push_back(Waiting { call, place: line.last_place, since, enqueued_ms });
        self.of_call.insert(call, queue);
    }

    /// A taken call returns to the front; whether it was taken.
    pub fn return_to_front(&mut self, call: CallSid) -> Option<QueueSid> {
        let Taken { queue, waiting, .. } = self.taken.remove(&call)?;
        self.lines.entry(queue).or_default().waiting.push_front(waiting);
        self.of_call.insert(call, queue);
        Some(queue)
    }

    /// A call serves the queue: the next call that waits is its.
    pub fn serve(&mut self, queue: QueueSid, server: Server) {
        self.of_call.insert(server.call, queue);
        self.lines.entry(queue).or_default().servers.push_back(server);
    }

    /// Takes the call at the front for the server that has waited longest, where there are both.
    pub fn pair(&mut self, queue: QueueSid) -> Option<(Waiting, Server)> {
        let line = self.lines.get_mut(&queue)?;
        if line.waiting.is_empty() || line.servers.is_empty() {
            return None;
        }
        let (waiting, server) = (line.waiting.pop_front()?, line.servers.pop_front()?);
        self.of_call.remove(&waiting.call);
        self.of_call.remove(&server.call);
        self.taken.insert(waiting.call, Taken { queue, waiting, by: server.call });
        self.drop_if_empty(queue);
        Some((waiting, server))
    }

    /// A taken call is connected with its server.
    pub fn connected(&mut self, call: CallSid) {
        self.taken.remove(&call);
    }

    /// A call leaves, wherever it is. Returns the call that it had taken.
    pub fn leave(&mut self, call: CallSid) -> Option<CallSid> {
        if let Some(queue) = self.of_call.remove(&call) {
            if let Some(line) = self.lines.get_mut(&queue) {
                line.waiting.retain(|waiting| waiting.call != call);
                line.servers.retain(|server| server.call != call);
            }
            self.drop_if_empty(queue);
        }
        for (_, _, parked) in self.making.values_mut() {
            parked.retain(|parked| parked.call != call);
        }
        for deleting in self.deleting.values_mut() {
            deleting.parked.retain(|parked| parked.call != call);
        }
        self.taken.remove(&call);
        let taken = self.taken.iter().find(|(_, taken)| taken.by == call);
        taken.map(|(queued, _)| *queued)
    }

    /// The queue that a call waits in, with its position from 1.
    pub fn position(&self, call: CallSid) -> Option<(QueueSid, u32, Waiting)> {
        let queue = *self.of_call.get(&call)?;
        let line = self.lines.get(&queue)?;
        let index = line.waiting.iter().position(|waiting| waiting.call == call)?;
        Some((queue, u32::try_from(index).ok()? + 1, *line.waiting.get(index)?))
    }

    /// The calls that wait, front first.
    pub fn waiting(&self, queue: QueueSid) -> impl Iterator<Item = &Waiting> {
        self.lines.get(&queue).into_iter().flat_map(|line| &line.waiting)
    }

    /// Size, and average wait of the calls that wait now.
    pub fn figures(&self, queue: QueueSid, now: Instant) -> QueueFigures {
        let waits = self.waiting(queue).map(|waiting| now.since(waiting.since).as_secs());
        let (size, sum) = waits.fold((0_u64, 0_u64), |(size, sum), wait| (size + 1, sum + wait));
        QueueFigures {
            current_size: u32::try_from(size).unwrap_or(u32::MAX),
            average_wait_s: u32::try_from(sum.checked_div(size).unwrap_or(0)).unwrap_or(u32::MAX),
        }
    }

    /// Whether no call is here in any way.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        let places = [self.lines.len(), self.of_call.len(), self.taken.len(), self.making.len()];
        let deleting = self.deleting.len();
        deleting == 0 && places.iter().all(|count| *count == 0)
    }

    fn drop_if_empty(&mut self, queue: QueueSid) {
        // The numbers of entries start again with an empty queue: no page of a list goes on after it.
        let is_empty = |line: &Line| line.waiting.is_empty() && line.servers.is_empty();
        if self.lines.get(&queue).is_some_and(is_empty) {
            self.lines.remove(&queue);
        }
    }

    /// Compares calls and queues.
    ///
    /// # Panics
    /// When they disagree.
    pub fn assert_consistent(&self) {
        let calls = self.lines.values().map(|line| line.waiting.len() + line.servers.len());
        assert_eq!(calls.sum::<usize>(), self.of_call.len(), "calls in queues and their index");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: QueueSid = QueueSid(1);

    #[test]
    fn calls_are_taken_in_their_order_and_servers_in_theirs() {
        let mut queues = Queues::default();
        for call in [1, 2] {
            queues.wait(QUEUE, CallSid(call), Instant::from_millis(0), 0);
        }
        assert_eq!(queues.pair(QUEUE), None);
        for call in [8, 9] {
            queues.serve(QUEUE, Server { call: CallSid(call), whisper: None });
        }
        let pairs: Vec<(u128, u128)> = std::iter::from_fn(|| queues.pair(QUEUE))
            .map(|(waiting, server)| (waiting.call.0, server.call.0))
            .collect();
        assert_eq!(pairs, [(1, 8), (2, 9)]);
        queues.assert_consistent();
    }

    #[test]
    fn a_taken_call_returns_to_the_front_and_keeps_its_time() {
        let mut queues = Queues::default();
        queues.wait(QUEUE, CallSid(1), Instant::from_millis(5_000), 0);
        queues.serve(QUEUE, Server { call: CallSid(9), whisper: None });
        queues.pair(QUEUE);
        queues.wait(QUEUE, CallSid(2), Instant::from_millis(9_000), 0);
        assert_eq!(queues.leave(CallSid(9)), Some(CallSid(1)), "its server is gone");
        assert_eq!(queues.return_to_front(CallSid(1)), Some(QUEUE));
        let (_, position, waiting) = queues.position(CallSid(1)).expect("it waits");
        assert_eq!((position, waiting.since), (1, Instant::from_millis(5_000)));
        assert_eq!(queues.position(CallSid(2)).map(|(_, position, _)| position), Some(2));
        let figures = queues.figures(QUEUE, Instant::from_millis(15_000));
        assert_eq!((figures.current_size, figures.average_wait_s), (2, 8));
        queues.assert_consistent();
    }

    #[test]
    fn a_queue_is_made_once_for_all_calls_that_wait_for_it() {
        let mut queues = Queues::default();
        let parked = |call| Parked { call: CallSid(call), max_size: None };
        let token = queues.park(AccountSid(1), "support", parked(1)).expect("a write to make");
        assert_eq!(queues.park(AccountSid(1), "support", parked(2)), None);
        queues.leave(CallSid(1));
        let (_, name, calls) = queues.made(token).expect("it was parked");
        assert_eq!((name.as_str(), calls), ("support", vec![parked(2)]));
        assert_eq!(queues.made(token), None);
    }
}
