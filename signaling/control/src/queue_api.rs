//! Commands of the REST API about the calls that wait in queues. Sans-IO.
//!
//! The queues themselves are stored resources, written as the others are. Until calls enter queues, every queue is empty.

use shared::{AccountSid, Code, Now, QueueSid};
use store::{
    MemberName, QueueCommand, QueueFigures, Reply, Resource, ResourceKey, ResourceKind, Write,
    WriteError,
};

use crate::control::Control;
use crate::tokens::ApiToken;

/// A reply to a command, or why it is refused.
type Replied = Result<Reply, WriteError>;

impl Control {
    pub(crate) fn on_queue_command(&mut self, now: Now, token: ApiToken, command: QueueCommand) {
        let reply = match command {
            QueueCommand::Read { queues, .. } => {
                Ok(Reply::Queues(queues.iter().map(|queue| self.queue_figures(*queue)).collect()))
            }
            QueueCommand::Members { account, queue } => self.queue_members(account, queue),
            QueueCommand::Member { account, queue, member } => {
                self.queue_member(account, queue, member)
            }
            QueueCommand::Dequeue { account, queue, member, url } => {
                self.dequeue_member(now, account, (queue, member), url)
            }
        };
        self.reply(token, reply);
    }

    /// Refuses to delete a queue in which calls wait. A queue of another account is left to the plan of the write, which
    /// does not find it.
    pub(crate) fn refuse_to_delete_calls(
        &self,
        account: AccountSid,
        write: &Write,
    ) -> Result<(), WriteError> {
        let Write::Delete { key: ResourceKey { kind: ResourceKind::Queue, sid }, .. } = write
        else {
            return Ok(());
        };
        let queue = self.snapshot.queue(account, QueueSid(*sid));
        match queue.map_or(0, |queue| self.queue_figures(queue.sid).current_size) {
            0 => Ok(()),
            waiting => Err(WriteError::new(
                409,
                Code::CONFLICT,
                format!("The queue is not empty: {waiting} calls wait in it"),
            )),
        }
    }

    /// Puts the live figures into the answer to a write of a queue.
    pub(crate) fn add_queue_figures(&self, reply: &mut Result<Reply, WriteError>) {
        if let Ok(Reply::Resource(Resource::Queue(queue), beside)) = reply {
            beside.derived = self.queue_figures(queue.sid).values().into();
        }
    }

    /// The live figures of a queue.
    fn queue_figures(&self, _: QueueSid) -> QueueFigures {
        QueueFigures::default()
    }

    fn queue_members(&self, _: AccountSid, _: QueueSid) -> Replied {
        Ok(Reply::Members(Vec::new()))
    }

    fn queue_member(&self, _: AccountSid, _: QueueSid, _: MemberName) -> Replied {
        Err(WriteError::not_found())
    }

    fn dequeue_member(
        &mut self,
        _: Now,
        _: AccountSid,
        _: (QueueSid, MemberName),
        _: store::Webhook,
    ) -> Replied {
        Err(WriteError::not_found())
    }
}
