//! Callbacks that the process before owes: it was killed, or its end came before their answers. Sans-IO.

use std::sync::Arc;

use call::{HttpAnswer, HttpFailure, HttpId};
use shared::{CallSid, Now};
use store::{CallRecord, Change, OwedCallback};

use crate::control::Control;
use crate::effect::Effect;

/// There is one request a call.
const REQUEST: HttpId = HttpId(1);

impl Control {
    /// Takes the calls whose last status callback was not answered when the process before ended. They are sent at
    /// the next timer.
    pub fn owe_callbacks(&mut self, now: Now, calls: Vec<CallRecord>) {
        self.owed_callbacks.owe(now.mono, calls);
    }

    /// Sends what is due.
    pub(crate) fn send_owed_callbacks(&mut self, now: Now) {
        while let Some(record) = self.owed_callbacks.next(now.mono) {
            let owed = record.owed_callback.as_deref().and_then(OwedCallback::from_text);
            let request = owed
                .and_then(|owed| call::owed_callback(&record, &owed, REQUEST, now.unix_ms).ok());
            let account = self.snapshot.account(record.account);
            let token = account.map(|account| account.auth_token.clone());
            match request.zip(token) {
                Some((request, auth_token)) => {
                    let (call, account, request) = (record.sid, record.account, Box::new(request));
                    self.push(Effect::Http { call, account, auth_token, request });
                }
                // Nobody can get it: the URL is none, as a live call would have said.
                None => self.settle_owed_callback(now, record.sid, true),
            }
        }
    }

    /// The answer to a request of a call that is not live. Returns the result where it is none of these.
    pub(crate) fn on_owed_http(
        &mut self,
        now: Now,
        sid: CallSid,
        result: Result<HttpAnswer, HttpFailure>,
    ) -> Option<Result<HttpAnswer, HttpFailure>> {
        if !self.owed_callbacks.is_sent(sid) {
            return Some(result);
        }
        self.settle_owed_callback(now, sid, result.is_ok());
        None
    }

    fn settle_owed_callback(&mut self, now: Now, sid: CallSid, is_answered: bool) {
        let Some(record) = self.owed_callbacks.settle(now.mono, sid, is_answered) else { return };
        let settled = CallRecord { owed_callback: None, ..Arc::unwrap_or_clone(record) };
        self.commit(None, Change::PutCall(Arc::new(settled)));
        self.push(Effect::CallGone { call: sid });
    }
}
