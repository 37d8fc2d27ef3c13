//! Commands of the REST API about live conferences and their participants. Sans-IO.
//!
//! As those about live calls, each is answered at once by what Control did: a conference is lost with the process
//! anyway. `POST …/Participants` is the exception, as `POST Calls` is: the record of its call is on disk before the
//! 201. That call runs a document of one `<Dial><Conference>`, so that a participant that REST placed and one that
//! came by TwiML differ in nothing once they are there. Until it enters, the conference expects it.

use call::conference::{Entry, MemberChange};
use call::{ApiUpdate, CallInput, CallStatus};
use shared::{AccountSid, CallSid, Code, ConferenceSid, Now, RecordingSid};
use store::{
    ConferenceCommand, ConferenceName, ConferenceStatus, CreateParticipant, Participant,
    ParticipantChange, ParticipantName, ParticipantStatus, RecordingAction, Reply, WriteError,
};

use super::participant;
use crate::control::Control;
use crate::from_rest::webhook;
use crate::records;
use crate::tokens::ApiToken;

/// A reply to a command, or why it is refused.
type Replied = Result<Reply, WriteError>;

impl Control {
    pub(crate) fn on_conference_command(
        &mut self,
        now: Now,
        token: ApiToken,
        command: ConferenceCommand,
    ) {
        use ConferenceCommand::{Change, Create, Fetch, List, Remove, Update, UpdateRecording};
        let reply = match command {
            // Answered once the record of its call is on disk.
            Create(create) => return self.create_participant(now, token, *create),
            Update { account, conference, end, announce } => {
                self.update_conference(now, account, conference, end, announce)
            }
            List { account, conference } => self.list_participants(account, &conference),
            Fetch { account, conference, participant } => {
                self.fetch_participant(account, &conference, &participant)
            }
            Change { account, conference, participant, change } => {
                self.change_participant(now, account, (&conference, &participant), change)
            }
            Remove { account, conference, participant } => {
                self.remove_participant(now, account, (&conference, &participant))
            }
            UpdateRecording { account, conference, recording, action } => {
                self.update_conference_recording(now, account, (conference, recording), action)
            }
        };
        self.reply(token, reply);
    }

    fn create_participant(&mut self, now: Now, token: ApiToken, create: CreateParticipant) {
        let account = create.call.account;
        let (name, live) = match &create.conference {
            ConferenceName::Name(name) => (name.clone(), self.conferences.named(account, name)),
            ConferenceName::Sid(sid) => match self.live_conference(account, &create.conference) {
                Ok(sid) => match self.conferences.get(sid) {
                    Some(live) => (live.machine.name.clone(), Some(sid)),
                    None => return self.reply(token, Err(gone(sid))),
                },
                Err(_) => return self.reply(token, Err(gone(*sid))),
            },
        };
        let entry = participant::entry(account, &name, &create);
        let early_media = create.entry.early_media;
        let document = participant::document(&name, &create);
        let setup = match self.admit_created(now, create.call) {
            Ok(setup) => setup,
            Err(error) => return self.reply(token, Err(error)),
        };
        if let Err(error) = self.expect_participant(now, setup.sid, live, (entry, early_media)) {
            return self.reply(token, Err(error));
        }
        self.commit_created(now, token, call::CallSetup { document, ..setup });
    }

    fn expect_participant(
        &mut self,
        now: Now,
        call: CallSid,
        live: Option<ConferenceSid>,
        (entry, early_media): (Entry, bool),
    ) -> Result<(), WriteError> {
        let admitted = match live.and_then(|sid| self.conferences.get(sid)) {
            Some(live) => live.machine.admits(call, &entry),
            None => self.new_conference(now, &entry).admits(call, &entry),
        };
        if let Err(call::conference::ConferenceInput::Refused { code, sentence }) = admitted {
            // The contract has one code for a document and another for a request.
            let code = match code {
                Code::PARTICIPANT_LABEL_TAKEN => Code::PARTICIPANT_LABEL_IN_USE,
                code => code,
            };
            return Err(WriteError::invalid(code, sentence));
        }
        let sid = match live {
            Some(sid) => sid,
            None => {
                let machine = self.new_conference(now, &entry);
                self.conferences.add(machine)
            }
        };
        self.conferences.expect(sid, call, early_media);
        if let Some(live) = self.conferences.get_mut(sid) {
            live.machine.expect(now, call, entry);
        }
        self.settle_conference(now, sid);
        Ok(())
    }

    fn update_conference(
        &mut self,
        now: Now,
        account: AccountSid,
        conference: ConferenceSid,
        end: bool,
        announce: Option<store::Webhook>,
    ) -> Replied {
        let sid = self.live_conference(account, &ConferenceName::Sid(conference))?;
        let Some(live) = self.conferences.get_mut(sid) else { return Err(gone(sid)) };
        if let Some(announce) = announce {
            live.machine.announce(&webhook(announce));
        }
        if end {
            live.machine.end(now);
        }
        let record = records::conference(&live.machine);
        self.settle_conference(now, sid);
        Ok(Reply::Conference(record.into()))
    }

    fn list_participants(&self, account: AccountSid, conference: &ConferenceName) -> Replied {
        let sid = self.live_conference(account, conference)?;
        let Some(live) = self.conferences.get(sid) else { return Err(gone(sid)) };
        let all = live.machine.members().chain(live.machine.expected());
        let calls: Vec<CallSid> = all.map(|member| member.call).collect();
        let shown = calls.into_iter().filter_map(|call| self.participant(sid, call));
        Ok(Reply::Participants(shown.collect()))
    }

    fn fetch_participant(
        &self,
        account: AccountSid,
        conference: &ConferenceName,
        participant: &ParticipantName,
    ) -> Replied {
        let (sid, call) = self.find_participant(account, conference, participant)?;
        let found = self.participant(sid, call);
        found.map(Box::new).map(Reply::Participant).ok_or_else(WriteError::not_found)
    }

    fn change_participant(
        &mut self,
        now: Now,
        account: AccountSid,
        (conference, participant): (&ConferenceName, &ParticipantName),
        change: ParticipantChange,
    ) -> Replied {
        let (sid, call) = self.find_participant(account, conference, participant)?;
        let Some(live) = self.conferences.get_mut(sid) else { return Err(gone(sid)) };
        let coach = match (change.coaching, change.coached) {
            (Some(false), _) => Some(None),
            (_, Some(coached)) if live.machine.member(coached).is_none() => {
                let sentence = format!("{coached} is not in the conference");
                return Err(WriteError::invalid(Code::CONFERENCE_COACH, sentence));
            }
            (_, Some(coached)) => Some(Some(coached)),
            (_, None) => None,
        };
        let hold = change.hold.map(|hold| (hold, change.hold_url.map(webhook)));
        let wait = change.wait.map(participant::music);
        live.machine.change(
            now,
            call,
            MemberChange {
                muted: change.muted,
                hold,
                announce: change.announce.map(webhook),
                wait,
                end_on_exit: change.end_on_exit,
                beep_on_exit: change.beep_on_exit,
                coach,
            },
        );
        self.settle_conference(now, sid);
        let found = self.participant(sid, call);
        found.map(Box::new).map(Reply::Participant).ok_or_else(WriteError::not_found)
    }

    /// Removes a participant: its call ends, as its document has nothing after the conference for REST.
    fn remove_participant(
        &mut self,
        now: Now,
        account: AccountSid,
        (conference, participant): (&ConferenceName, &ParticipantName),
    ) -> Replied {
        let (sid, call) = self.find_participant(account, conference, participant)?;
        if self.conferences.expecting(call).is_some() {
            self.tell(call, CallInput::Api(ApiUpdate::Complete));
        } else {
            let status = self.calls.get(&call).map_or(CallStatus::Completed, |c| c.call.status());
            let Some(live) = self.conferences.get_mut(sid) else { return Err(gone(sid)) };
            live.machine.kick(now, call, status);
            self.settle_conference(now, sid);
        }
        Ok(Reply::Deleted)
    }

    fn update_conference_recording(
        &mut self,
        now: Now,
        account: AccountSid,
        (conference, recording): (ConferenceSid, Option<RecordingSid>),
        action: RecordingAction,
    ) -> Replied {
        let sid = self.live_conference(account, &ConferenceName::Sid(conference))?;
        self.change_conference_recording(now, sid, recording, action)
    }

    /// The conference of a path, if it is not completed and belongs to the account.
    fn live_conference(
        &self,
        account: AccountSid,
        name: &ConferenceName,
    ) -> Result<ConferenceSid, WriteError> {
        let sid = match name {
            ConferenceName::Sid(sid) => Some(*sid),
            ConferenceName::Name(name) => self.conferences.named(account, name),
        };
        let live = sid.and_then(|sid| self.conferences.get(sid));
        let live = live.filter(|live| live.machine.account == account);
        live.filter(|live| live.machine.status() != ConferenceStatus::Completed)
            .map(|live| live.machine.sid)
            .ok_or_else(WriteError::not_found)
    }

    fn find_participant(
        &self,
        account: AccountSid,
        conference: &ConferenceName,
        participant: &ParticipantName,
    ) -> Result<(ConferenceSid, CallSid), WriteError> {
        let sid = self.live_conference(account, conference)?;
        let machine = self.conferences.get(sid).map(|live| &live.machine);
        let member = match participant {
            ParticipantName::Call(call) => machine.and_then(|m| m.participant(*call)),
            ParticipantName::Label(label) => machine.and_then(|m| m.labelled(label)),
        };
        member.map(|member| (sid, member.call)).ok_or_else(WriteError::not_found)
    }

    /// A participant as the API shows it.
    pub(crate) fn participant(&self, sid: ConferenceSid, call: CallSid) -> Option<Participant> {
        let machine = &self.conferences.get(sid)?.machine;
        let member = machine.participant(call)?;
        let status = match machine.member(call) {
            Some(_) => ParticipantStatus::Connected,
            None => match self.calls.get(&call).map(|entry| entry.call.status()) {
                None | Some(CallStatus::Queued) => ParticipantStatus::Queued,
                Some(CallStatus::Ringing) => ParticipantStatus::Ringing,
                Some(status) if status.is_terminal() => ParticipantStatus::Failed,
                Some(_) => ParticipantStatus::Connecting,
            },
        };
        Some(Participant {
            call,
            conference: sid,
            account: machine.account,
            label: member.terms.label.clone(),
            muted: member.terms.muted,
            hold: member.held,
            coaching: member.terms.coach.is_some(),
            coached: member.terms.coach,
            start_on_enter: member.terms.start_on_enter,
            end_on_exit: member.terms.end_on_exit,
            status,
            queue_time_ms: 0,
            created_ms: member.created_ms,
            updated_ms: member.updated_ms,
        })
    }
}

/// The conference of a SID in a path has ended, or never was.
fn gone(sid: ConferenceSid) -> WriteError {
    WriteError::invalid(Code::CONFERENCE_GONE, format!("The conference {sid} is not live."))
}
