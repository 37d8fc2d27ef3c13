//! `/Conferences/{CF or name}/Participants`: who is in a live conference. Control knows them.

use serde_json::{Value, json};
use shared::limits::CONFERENCE_NAME_CHARACTERS_MAX;
use shared::{CallSid, Code};
use store::{ConferenceCommand, ConferenceName, Participant, ParticipantName, WriteError};

use crate::context::{Answered, CollectionVerb, Context, InstanceVerb, Step};
use crate::date::rfc2822;
use crate::lookup::{found, uri};
use crate::paging::{ListRow, Paging, paging};
use crate::rendering::{ParticipantFilter, Shape};
use crate::resources::{call_commands, conferences};
use crate::response::Frame;
use crate::text::Text;

pub(crate) fn collection(context: &Context<'_>, conference: &str) -> Answered {
    let account = context.account.sid;
    match context.collection_verb()? {
        CollectionVerb::List => {
            let conference = conference_of(conference)?;
            let form = &context.form;
            let filter = ParticipantFilter {
                muted: call_commands::muted(form),
                hold: form.boolean("Hold")?,
                coaching: form.boolean("Coaching")?,
            };
            let list = Box::new((paging(form)?, filter));
            let command = ConferenceCommand::List { account, conference };
            Ok(Step::Conference {
                command,
                rendering: context.rendering_of(Shape::Participants(list)),
            })
        }
        CollectionVerb::Create => {
            let conference = conference_of(conference)?;
            // Control asks again: it may end before the call is placed. A name always leads to a conference.
            if let ConferenceName::Sid(sid) = conference {
                conferences::must_be_live(&found(context.reader.conference(account, sid))?)?;
            }
            let create = call_commands::create_participant(account, conference, &context.form)?;
            context.conference_command(ConferenceCommand::Create(Box::new(create)), 201)
        }
    }
}

pub(crate) fn instance(context: &Context<'_>, conference: &str, participant: &str) -> Answered {
    let account = context.account.sid;
    let conference = conference_of(conference)?;
    let participant = match participant.parse::<CallSid>() {
        Ok(call) => ParticipantName::Call(call),
        Err(_) => ParticipantName::Label(participant.to_owned()),
    };
    match context.instance_verb()? {
        InstanceVerb::Fetch => context
            .conference_command(ConferenceCommand::Fetch { account, conference, participant }, 200),
        InstanceVerb::Update => {
            let change = call_commands::change_participant(&context.form)?;
            let command = ConferenceCommand::Change { account, conference, participant, change };
            context.conference_command(command, 200)
        }
        InstanceVerb::Delete => context.conference_command(
            ConferenceCommand::Remove { account, conference, participant },
            204,
        ),
    }
}

/// The conference of a path. A SID is never a name, so that a conference which ended is not begun anew.
fn conference_of(text: &str) -> Result<ConferenceName, WriteError> {
    if let Ok(sid) = text.parse() {
        return Ok(ConferenceName::Sid(sid));
    }
    if text.chars().count() > CONFERENCE_NAME_CHARACTERS_MAX || text.chars().any(char::is_control) {
        let message = format!(
            "The name of a conference may have at most {CONFERENCE_NAME_CHARACTERS_MAX} characters, \
             and no control characters"
        );
        return Err(WriteError::invalid(Code::FRIENDLY_NAME, message));
    }
    Ok(ConferenceName::Name(text.to_owned()))
}

/// The page of the list that a request asks for.
pub(crate) fn page(
    rows: &[Participant],
    (paging, filter): &(Paging, ParticipantFilter),
    frame: &Frame,
) -> Value {
    let fits = |wanted: Option<bool>, is: bool| wanted.is_none_or(|wanted| wanted == is);
    let listed = rows.iter().filter(|row| {
        fits(filter.muted, row.muted)
            && fits(filter.hold, row.hold)
            && fits(filter.coaching, row.coaching)
    });
    let page = paging.page_of(listed.collect(), |row| row.call.0);
    let page = page.map(|row: &Participant| ListRow {
        json: json(row),
        prefix: CallSid::PREFIX,
        bits: row.call.0,
    });
    paging.v2010(frame, "participants", page)
}

pub(crate) fn json(row: &Participant) -> Value {
    let (call, conference) = (row.call, row.conference);
    json!({
        "call_sid": call,
        "conference_sid": conference,
        "account_sid": row.account,
        "label": row.label,
        "muted": row.muted,
        "hold": row.hold,
        "coaching": row.coaching,
        "call_sid_to_coach": row.coached,
        "start_conference_on_enter": row.start_on_enter,
        "end_conference_on_exit": row.end_on_exit,
        "status": row.status.name(),
        "queue_time": Text(row.queue_time_ms),
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
        "uri": uri(
            row.account,
            format_args!("Conferences/{conference}/Participants/{call}.json"),
        ),
    })
}
