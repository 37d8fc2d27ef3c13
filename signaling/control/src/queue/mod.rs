//! Queues: calls that wait joined with calls that serve. Sans-IO.
//!
//! `<Enqueue>` makes a queue that does not exist, as a write like those of REST; calls wait for it parked. Two calls
//! that meet are peers: Control carries their words, and the server's call orders the bridge.

mod api;

use call::queue::{QueueFacts, QueueInput};
use call::{CallInput, Webhook};
use shared::{AccountSid, CallSid, Code, Now, QueueSid};
use store::{Patch, QueueParameters, Write};

use crate::control::Control;
use crate::state::queues::{Deletion, Parked, Server};
use crate::tokens::ApiToken;

impl Control {
    /// A call wants to wait.
    pub(crate) fn enter_queue(
        &mut self,
        now: Now,
        sid: CallSid,
        name: &str,
        max_size: Option<u32>,
        is_back: bool,
    ) {
        let Some(account) = self.calls.get(&sid).map(|entry| entry.account) else { return };
        let parked = Parked { call: sid, max_size };
        if let Some(queue) = self.queues.taken_from(sid).filter(|_| is_back) {
            // Where it was deleted meanwhile, the call enters as any other.
            let is_there = self.snapshot.queue(account, queue).is_some();
            if is_there && !self.queues.park_behind_deletion(queue, &parked) {
                self.queues.return_to_front(sid);
                return self.waits(now, queue, sid);
            }
            self.queues.connected(sid);
            if is_there {
                return;
            }
        }
        match self.snapshot.queue_by_name(account, name).map(|queue| (queue.sid, queue.max_size)) {
            Some((queue, _)) if self.queues.park_behind_deletion(queue, &parked) => {}
            Some((queue, size)) => {
                self.wait_in(now, sid, queue, max_size.map_or(size, |most| most.min(size)));
            }
            None => {
                if let Some(token) = self.queues.park(account, name, parked) {
                    let friendly_name = Patch::Set(name.to_owned());
                    let parameters = QueueParameters { friendly_name, max_size: Patch::Keep };
                    self.on_write(now, token, account, Write::create(parameters));
                }
            }
        }
    }

    fn wait_in(&mut self, now: Now, sid: CallSid, queue: QueueSid, max_size: u32) {
        if self.queues.size(queue) >= max_size as usize {
            let sentence = format!("the queue has its {max_size} calls");
            let (code, queue) = (Code::QUEUE_FULL, Some(queue));
            let input = QueueInput::Refused { code, sentence, queue };
            return self.tell(sid, CallInput::Queue(input));
        }
        self.queues.wait(queue, sid, now.mono, now.unix_ms);
        self.waits(now, queue, sid);
    }

    fn waits(&mut self, now: Now, queue: QueueSid, sid: CallSid) {
        self.tell_place(now, sid);
        self.pair(now, queue);
    }

    /// Tells a call its place in the queue.
    pub(crate) fn tell_place(&mut self, now: Now, sid: CallSid) {
        let Some((queue, position, waiting)) = self.queues.position(sid) else { return };
        let account = self.calls.get(&sid).map(|entry| entry.account);
        let stored = account.and_then(|account| self.snapshot.queue(account, queue));
        let figures = self.queues.figures(queue, now.mono);
        let facts = QueueFacts {
            queue,
            position,
            queue_time_s: seconds(now, waiting.since),
            average_s: figures.average_wait_s,
            current_size: figures.current_size,
            max_size: stored.map_or(0, |queue| queue.max_size),
        };
        self.tell(sid, CallInput::Queue(QueueInput::Waits(facts)));
    }

    /// A call wants the next one of a queue.
    pub(crate) fn serve_queue(
        &mut self,
        now: Now,
        sid: CallSid,
        name: &str,
        whisper: Option<Webhook>,
    ) {
        let Some(account) = self.calls.get(&sid).map(|entry| entry.account) else { return };
        let Some(queue) = self.snapshot.queue_by_name(account, name).map(|queue| queue.sid) else {
            return self.tell(sid, CallInput::Queue(QueueInput::Missing));
        };
        self.queues.serve(queue, Server { call: sid, whisper });
        self.pair(now, queue);
    }

    /// Brings the call at the front and the first server together.
    fn pair(&mut self, now: Now, queue: QueueSid) {
        while let Some((waiting, server)) = self.queues.pair(queue) {
            let input = QueueInput::Taken {
                by: server.call,
                whisper: server.whisper,
                queue,
                queue_time_s: seconds(now, waiting.since),
            };
            self.tell(waiting.call, CallInput::Queue(input));
        }
    }

    /// A taken call may be connected with its server.
    pub(crate) fn queue_ready(&mut self, sid: CallSid, by: CallSid) {
        self.queues.connected(sid);
        match self.calls.contains_key(&by) {
            true => self.tell(by, CallInput::Queue(QueueInput::Ready { call: sid })),
            false => self.tell(sid, CallInput::PeerEnded { peer: by }),
        }
    }

    /// A call leaves its queue, if it waits in one or serves one.
    pub(crate) fn leave_queue(&mut self, sid: CallSid) {
        if let Some(queued) = self.queues.leave(sid) {
            self.tell(queued, CallInput::PeerEnded { peer: sid });
        }
    }

    /// The write of a queue that `<Enqueue>` named is answered. Returns whether the token was of such a write.
    pub(crate) fn on_queue_made(&mut self, now: Now, token: ApiToken) -> bool {
        let Some((account, name, parked)) = self.queues.made(token) else { return false };
        for Parked { call, max_size } in parked {
            self.enter_made(now, account, &name, call, max_size);
        }
        true
    }

    /// The write that deletes a queue is answered. Calls that came meanwhile enter now: where the queue is gone, a new
    /// one of its name is made for them, and its servers have nothing to serve.
    pub(crate) fn on_queue_deleted(&mut self, now: Now, token: ApiToken) {
        let Some(deletion) = self.queues.deleted(token) else { return };
        let Deletion { queue, account, name, parked, servers } = deletion;
        if self.snapshot.queue(account, queue).is_none() {
            for server in servers {
                self.queues.leave(server);
                self.tell(server, CallInput::Queue(QueueInput::Missing));
            }
        }
        for Parked { call, max_size } in parked {
            self.enter_queue(now, call, &name, max_size, false);
        }
    }

    fn enter_made(
        &mut self,
        now: Now,
        account: AccountSid,
        name: &str,
        call: CallSid,
        max_size: Option<u32>,
    ) {
        // Another request may have made it first, which serves as well.
        match self.snapshot.queue_by_name(account, name).map(|queue| (queue.sid, queue.max_size)) {
            Some((queue, size)) => {
                self.wait_in(now, call, queue, max_size.map_or(size, |most| most.min(size)));
            }
            None => {
                let sentence = format!("the queue `{name}` cannot be made");
                let input = QueueInput::Refused { code: Code::INTERNAL, sentence, queue: None };
                self.tell(call, CallInput::Queue(input));
            }
        }
    }
}

fn seconds(now: Now, since: shared::Instant) -> u32 {
    u32::try_from(now.mono.since(since).as_secs()).unwrap_or(u32::MAX)
}
