//! Validation calls of caller ids: placed, answered, reported. Sans-IO.
//!
//! The client that asks for one gets a code, and the call asks its party for that code. The row is written with the right
//! one. The call's documents come from `crate::state::validations`, in place of a web server.

use call::{AnswerBody, CallInput, DocumentSource, HttpAnswer, HttpRequest, Webhook};
use shared::{CallSid, Code, Now};
use store::{
    OutgoingCallerIdParameters, Patch, Reply, Resource, ValidateCallerId, Write, WriteError,
};

use crate::control::Control;
use crate::state::validations::{ADDRESS, Asked, Validation};
use crate::tokens::ApiToken;

impl Control {
    /// `POST OutgoingCallerIds`.
    pub(crate) fn validate_caller_id(
        &mut self,
        now: Now,
        token: ApiToken,
        asked: ValidateCallerId,
    ) {
        let ValidateCallerId { phone_number, friendly_name, delay_s, mut call } = asked;
        let account = call.account;
        if self.snapshot.caller_id(account, &phone_number).is_some() {
            let sentence = "This PhoneNumber is verified already";
            return self.reply(token, Err(WriteError::invalid(Code::CALLER_ID_TAKEN, sentence)));
        }
        // The call has to show something. Without a number of its own, the account has none but the one that it says
        // is its own.
        let own = self.snapshot.first_number(account).unwrap_or(&phone_number);
        call.from = own.to_owned();
        let mut setup = match self.admit_unchecked(now, call) {
            Ok(setup) => setup,
            Err(error) => return self.reply(token, Err(error)),
        };
        if let Some(leg) = &mut setup.leg {
            leg.delay_s = delay_s;
        }
        setup.document = DocumentSource::Url(Webhook::post(ADDRESS));
        let random = self.random.number();
        let validation = Validation::new(account, phone_number, friendly_name, random);
        self.validations.begin(setup.sid, validation);
        self.commit_created(now, token, setup);
    }

    /// The answer to the request for a validation call; `None`: the call is no such.
    pub(crate) fn validation_placed(&self, sid: CallSid) -> Option<Reply> {
        let validation = self.validations.of(sid)?;
        let phone_number = validation.phone_number.clone();
        let friendly_name = validation.friendly_name.clone();
        Some(Reply::Validation(Box::new(store::Validation {
            account: validation.account,
            call: sid,
            friendly_name: friendly_name
                .unwrap_or_else(|| store::formatted_number(&phone_number).into_owned()),
            phone_number,
            code: validation.code.clone(),
        })))
    }

    /// A request of a validation call. Returns it where it has to leave: all but those for its documents.
    pub(crate) fn of_validation(
        &mut self,
        now: Now,
        sid: CallSid,
        mut request: Box<HttpRequest>,
    ) -> Option<Box<HttpRequest>> {
        let Some(validation) = self.validations.of(sid) else { return Some(request) };
        if request.kind == call::HttpKind::StatusCallback {
            request.extra.push("VerificationStatus", validation.status());
            if let Some(row) = validation.row() {
                request.extra.push("OutgoingCallerIdSid", row);
            }
            return Some(request);
        }
        // REST may send the call elsewhere, and then its requests are those of any call.
        if request.url.configured() != ADDRESS {
            return Some(request);
        }
        let digits = request.extra.value("Digits");
        match self.validations.ask(sid, request.id, digits) {
            Some(Asked::Document(document)) => self.answer_validation(sid, request.id, document),
            Some(Asked::Save(token)) => self.save_caller_id(now, sid, token),
            None => {}
        }
        None
    }

    fn save_caller_id(&mut self, now: Now, sid: CallSid, token: ApiToken) {
        let Some(validation) = self.validations.of(sid) else { return };
        let parameters = OutgoingCallerIdParameters {
            phone_number: Patch::Set(validation.phone_number.clone()),
            friendly_name: validation.friendly_name.clone().map_or(Patch::Keep, Patch::Set),
        };
        let account = validation.account;
        self.on_write(now, token, account, Write::create(parameters));
    }

    /// The write of a verified number is answered. Returns whether the token was of such a write.
    pub(crate) fn on_caller_id_saved(
        &mut self,
        token: ApiToken,
        reply: &Result<Reply, WriteError>,
    ) -> bool {
        let row = match reply {
            Ok(Reply::Resource(Resource::OutgoingCallerId(row), _)) => Some(row.sid),
            // Another call or the operator was first. The number is verified, which is what counts.
            Err(error) if error.code == Code::CALLER_ID_TAKEN => self.row_of(token),
            Ok(_) | Err(_) => None,
        };
        let Some((sid, answer)) = self.validations.saved(token, row) else { return false };
        if let Some((request, document)) = answer {
            self.answer_validation(sid, request, document);
        }
        true
    }

    /// The row that another request has made of the number that is saved under this token.
    fn row_of(&self, token: ApiToken) -> Option<shared::OutgoingCallerIdSid> {
        let validation = self.validations.saving(token)?;
        let row = self.snapshot.caller_id(validation.account, &validation.phone_number)?;
        Some(row.sid)
    }

    fn answer_validation(&mut self, sid: CallSid, request: call::HttpId, document: String) {
        let answer = HttpAnswer {
            status: 200,
            content_type: Some("text/xml".to_owned()),
            body: AnswerBody::from(document.into_bytes()),
            final_url: ADDRESS.to_owned(),
            duration_ms: 0,
        };
        self.tell(sid, CallInput::Http { request, result: Ok(answer) });
    }
}
