//! Commands of the REST API about the calls that wait in queues. Sans-IO.
//!
//! The queues themselves are stored resources, written as the others are. Until calls enter queues, every queue is empty.

use shared::{AccountSid, Now, QueueSid};
use store::{MemberName, QueueCommand, QueueFigures, Reply, WriteError};

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
