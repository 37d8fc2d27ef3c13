//! The legs of the node, described by their cores, for the operator. Sans-IO.

use shared::{CallSid, Code, LegDescription, LegId, MediaCommand, MediaInterface, Now};
use store::{Reply, WriteError};

use crate::control::Control;
use crate::effect::Effect;
use crate::state::leg_survey::LegSurvey;
use crate::tokens::ApiToken;

impl Control {
    /// Names the interfaces at which the kernel relays, for the list of legs. Call before the first input.
    pub fn name_media_interfaces(&mut self, interfaces: Vec<MediaInterface>) {
        self.leg_survey = LegSurvey::on(interfaces);
    }

    /// Asks the cores for the legs that are up.
    pub(crate) fn describe_legs(&mut self, now: Now, token: ApiToken) {
        let legs = self.calls.values().filter_map(|entry| {
            let leg = entry.leg.as_ref().filter(|leg| leg.is_up())?;
            Some((leg.place.leg, entry.sid))
        });
        let legs: Vec<(LegId, CallSid)> = legs.collect();
        let Some(asked) = self.leg_survey.begin(now.mono, token, legs) else {
            let sentence = "Another request for the legs is under way. Ask again in 2 seconds.";
            return self.reply(token, Err(WriteError::new(503, Code::UNAVAILABLE, sentence)));
        };
        for leg in asked {
            let command = MediaCommand::Describe { leg, description: Box::default() };
            self.push(Effect::Media { core: leg.core, command });
        }
        self.answer_leg_survey(now);
    }

    pub(crate) fn on_described(
        &mut self,
        now: Now,
        leg: LegId,
        description: Option<&LegDescription>,
    ) {
        let joined = description.and_then(|description| description.joined);
        let joined_call = joined.and_then(|other| self.links.call_of_leg(other));
        self.leg_survey.note(leg, description, joined_call);
        self.answer_leg_survey(now);
    }

    /// Answers the request if it is complete, or past its time.
    pub(crate) fn answer_leg_survey(&mut self, now: Now) {
        if let Some((token, list)) = self.leg_survey.take_answer(now.mono) {
            self.reply(token, Ok(Reply::Legs(list.to_json())));
        }
    }
}
