//! Recording sessions of live calls by REST: start and stop. Sans-IO.
//!
//! The call's machine owns a session and its callbacks; REST brings it one input more, and the answer is the session as it is
//! then. It never waits for the server.

use call::{ApiUpdate, CallInput, SiprecChange, SiprecSettings};
use shared::media::TapTracks;
use shared::{AccountSid, CallSid, Code, Now, SiprecSid};
use store::{Reply, SiprecView, StartSiprec, StreamTracks, WriteError};

use crate::control::Control;
use crate::from_rest::webhook;
use crate::state::live_siprec::LiveSiprec;
use crate::tokens::ApiToken;

impl Control {
    pub(crate) fn start_siprec_by_api(
        &mut self,
        now: Now,
        token: ApiToken,
        account: AccountSid,
        call: CallSid,
        asked: StartSiprec,
    ) {
        let settings = match self.siprec_settings(account, call, asked) {
            Ok(settings) => settings,
            Err(error) => return self.reply(token, Err(error)),
        };
        let siprec = SiprecSid::mint(now.unix_ms, self.settings.origin, self.random.number());
        let change = SiprecChange::Start(Box::new(settings));
        self.change_siprec(now, call, siprec, change);
        let reply = self.siprec_view(account, (call, siprec), true);
        self.reply(token, reply);
    }

    pub(crate) fn stop_siprec_by_api(
        &mut self,
        now: Now,
        token: ApiToken,
        account: AccountSid,
        call: CallSid,
        name: &str,
    ) {
        let found = self.calls.get(&call).filter(|entry| entry.account == account);
        let is_it = |(sid, live): &(&SiprecSid, &LiveSiprec)| {
            live.plan.settings.name.as_deref() == Some(name) || sid.to_string() == name
        };
        let found = found.and_then(|entry| entry.siprecs.iter().find(is_it));
        let Some(siprec) = found.map(|(siprec, _)| *siprec) else {
            return self.reply(token, Err(WriteError::not_found()));
        };
        // Before it ends: the session may be forgotten at once.
        let reply = self.siprec_view(account, (call, siprec), false);
        self.change_siprec(now, call, siprec, SiprecChange::Stop);
        self.reply(token, reply);
    }

    fn change_siprec(&mut self, now: Now, sid: CallSid, siprec: SiprecSid, change: SiprecChange) {
        let update = ApiUpdate::Siprec { siprec, change };
        self.drive_call(now, sid, |call| call.handle(now, CallInput::Api(update)));
    }

    fn siprec_settings(
        &self,
        account: AccountSid,
        call: CallSid,
        asked: StartSiprec,
    ) -> Result<SiprecSettings, WriteError> {
        let invalid = |(code, sentence): (Code, String)| WriteError::invalid(code, sentence);
        let entry = self.calls.get(&call).filter(|entry| {
            entry.account == account && entry.leg.as_ref().is_some_and(|leg| leg.is_up())
        });
        let entry = entry.filter(|entry| entry.call.has_answered());
        let Some(entry) = entry else {
            let sentence = "Only a call that is in progress can be recorded by a server";
            return Err(WriteError::invalid(Code::CALL_STATE, sentence));
        };
        let StartSiprec { connector, name, tracks, callback, parameters } = asked;
        self.siprec_target(&connector).map_err(invalid)?;
        let settings = SiprecSettings {
            connector,
            name,
            tracks: match tracks {
                StreamTracks::Inbound => TapTracks::Inbound,
                StreamTracks::Outbound => TapTracks::Outbound,
                StreamTracks::Both => TapTracks::Both,
            },
            callback: callback.map(webhook),
            parameters,
        };
        entry.call.check_siprec(&settings).map_err(invalid)?;
        Ok(settings)
    }

    fn siprec_view(
        &self,
        account: AccountSid,
        of: (CallSid, SiprecSid),
        is_running: bool,
    ) -> Result<Reply, WriteError> {
        let live = self.siprec(of).ok_or_else(WriteError::not_found)?;
        let (call, siprec) = of;
        let (name, updated_ms) = (live.plan.settings.name.clone(), live.updated_ms);
        Ok(Reply::Siprec(SiprecView { siprec, account, call, name, is_running, updated_ms }))
    }
}
