//! Commands of the REST API about live conferences and their participants. Sans-IO.
//!
//! As those about live calls, each is answered at once by what Control did: a conference is lost with the process
//! anyway. `POST …/Participants` is the exception, as `POST Calls` is: the record of its call is on disk before the 201.
//! Until calls enter conferences, no conference is live and each command is answered with 404.

use shared::{AccountSid, ConferenceSid, Now, RecordingSid};
use store::{
    ConferenceCommand, ConferenceName, CreateParticipant, ParticipantChange, ParticipantName,
    RecordingAction, Reply, WriteError,
};

use crate::control::Control;
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

    fn create_participant(&mut self, _: Now, token: ApiToken, _: CreateParticipant) {
        self.reply(token, Err(WriteError::not_found()));
    }

    fn update_conference(
        &mut self,
        _: Now,
        _: AccountSid,
        _: ConferenceSid,
        _end: bool,
        _announce: Option<store::Webhook>,
    ) -> Replied {
        Err(WriteError::not_found())
    }

    fn list_participants(&self, _: AccountSid, _: &ConferenceName) -> Replied {
        Err(WriteError::not_found())
    }

    fn fetch_participant(&self, _: AccountSid, _: &ConferenceName, _: &ParticipantName) -> Replied {
        Err(WriteError::not_found())
    }

    fn change_participant(
        &mut self,
        _: Now,
        _: AccountSid,
        _: (&ConferenceName, &ParticipantName),
        _: ParticipantChange,
    ) -> Replied {
        Err(WriteError::not_found())
    }

    fn remove_participant(
        &mut self,
        _: Now,
        _: AccountSid,
        _: (&ConferenceName, &ParticipantName),
    ) -> Replied {
        Err(WriteError::not_found())
    }

    fn update_conference_recording(
        &mut self,
        _: Now,
        _: AccountSid,
        _: (ConferenceSid, Option<RecordingSid>),
        _: RecordingAction,
    ) -> Replied {
        Err(WriteError::not_found())
    }
}
