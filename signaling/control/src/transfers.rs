//! Transfers: REFERs that come in and go out. Sans-IO.

use shared::{Now, Refusal};
use sip::{Command, ReferTo, SessionId};

use crate::control::Control;

impl Control {
    pub(crate) fn on_refer(&mut self, now: Now, session: SessionId, refer: &ReferTo) {
        let _ = (now, refer);
        let sentence = "Transfers are not in this version: the REFER is refused.";
        let answer = Err(Refusal::new("refer_not_built", 603, sentence).code(13802));
        self.ua_commands.push_back(Command::AnswerRefer { session, answer });
    }
}
