//! Commands of the REST API about the calls that wait in queues. Sans-IO.
//!
//! The queues themselves are stored resources, written as the others are.

use call::CallInput;
use call::queue::QueueInput;
use shared::{AccountSid, Code, Now, QueueSid};
use store::{
    MemberName, QueueCommand, Reply, Resource, ResourceKey, ResourceKind, Write, WriteError,
};

use super::seconds;
use crate::control::Control;
use crate::from_rest::webhook;
use crate::state::queues::Waiting;
use crate::tokens::ApiToken;

/// A reply to a command, or why it is refused.
type Replied = Result<Reply, WriteError>;

impl Control {
    pub(crate) fn on_queue_command(&mut self, now: Now, token: ApiToken, command: QueueCommand) {
        let reply = match command {
            QueueCommand::Read { queues, .. } => {
                let figures = queues.iter().map(|queue| self.queues.figures(*queue, now.mono));
                Ok(Reply::Queues(figures.collect()))
            }
            QueueCommand::Members { account, queue } => self.queue_members(now, account, queue),
            QueueCommand::Member { account, queue, member } => {
                self.queue_member(now, account, queue, member)
            }
            QueueCommand::Dequeue { account, queue, member, url } => {
                self.dequeue_member(now, account, (queue, member), url)
            }
        };
        self.reply(token, reply);
    }

    /// Refuses to delete a queue in which calls wait, and notes the deletion otherwise. A queue of another account is left to the plan of the write, which
    /// does not find it.
    pub(crate) fn refuse_to_delete_calls(
        &mut self,
        token: ApiToken,
        account: AccountSid,
        write: &Write,
    ) -> Result<(), WriteError> {
        let Write::Delete { key: ResourceKey { kind: ResourceKind::Queue, sid }, .. } = write
        else {
            return Ok(());
        };
        let Some(queue) = self.snapshot.queue(account, QueueSid(*sid)) else { return Ok(()) };
        match self.queues.size(queue.sid) {
            0 => {
                // Until the commit is answered, no call enters.
                self.queues.delete(token, queue.sid, account, &queue.friendly_name);
                Ok(())
            }
            waiting => Err(WriteError::new(
                409,
                Code::CONFLICT,
                format!("The queue is not empty: {waiting} calls wait in it"),
            )),
        }
    }

    /// Puts the live figures into the answer to a write of a queue.
    pub(crate) fn add_queue_figures(&self, now: Now, reply: &mut Result<Reply, WriteError>) {
        if let Ok(Reply::Resource(Resource::Queue(queue), beside)) = reply {
            beside.derived = self.queues.figures(queue.sid, now.mono).values().into();
        }
    }

    fn queue_members(&self, now: Now, account: AccountSid, queue: QueueSid) -> Replied {
        self.snapshot.queue(account, queue).ok_or_else(WriteError::not_found)?;
        let positions = (1..).zip(self.queues.waiting(queue));
        let members =
            positions.map(|(position, waiting)| shown(now, account, queue, waiting, position));
        Ok(Reply::Members(members.collect()))
    }

    fn queue_member(
        &self,
        now: Now,
        account: AccountSid,
        queue: QueueSid,
        name: MemberName,
    ) -> Replied {
        let (position, waiting) = self.find_member(account, queue, name)?;
        Ok(Reply::Member(shown(now, account, queue, &waiting, position)))
    }

    /// The first request for a member wins: the call leaves the queue with it, and a later one gets 400.
    fn dequeue_member(
        &mut self,
        now: Now,
        account: AccountSid,
        (queue, name): (QueueSid, MemberName),
        url: store::Webhook,
    ) -> Replied {
        let found = self.find_member(account, queue, name);
        let (_, waiting) = found.map_err(|error| self.left_already(account, name, error))?;
        self.queues.leave(waiting.call);
        self.tell(waiting.call, CallInput::Queue(QueueInput::Dequeued(webhook(url))));
        Ok(Reply::Member(shown(now, account, queue, &waiting, 0)))
    }

    /// The refusal of a request that came second: its call is up, and waits no more.
    fn left_already(
        &self,
        account: AccountSid,
        name: MemberName,
        not_found: WriteError,
    ) -> WriteError {
        let MemberName::Call(call) = name else { return not_found };
        match self.calls.get(&call) {
            Some(live) if live.account == account => {
                WriteError::invalid(Code::CALL_STATE, "The call does not wait in this queue")
            }
            _ => not_found,
        }
    }

    /// A call that waits in a queue of the account, with its position.
    fn find_member(
        &self,
        account: AccountSid,
        queue: QueueSid,
        name: MemberName,
    ) -> Result<(u32, Waiting), WriteError> {
        self.snapshot.queue(account, queue).ok_or_else(WriteError::not_found)?;
        let mut members = (1..).zip(self.queues.waiting(queue));
        let found = match name {
            MemberName::Front => members.next(),
            MemberName::Call(call) => members.find(|(_, waiting)| waiting.call == call),
        };
        found.map(|(position, waiting)| (position, *waiting)).ok_or_else(WriteError::not_found)
    }
}

fn shown(
    now: Now,
    account: AccountSid,
    queue: QueueSid,
    waiting: &Waiting,
    position: u32,
) -> store::Member {
    store::Member {
        call: waiting.call,
        queue,
        account,
        place: waiting.place,
        enqueued_ms: waiting.enqueued_ms,
        position,
        wait_s: seconds(now, waiting.since),
    }
}
