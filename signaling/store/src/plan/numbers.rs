//! Rules of phone numbers. Sans-IO.

use shared::{AccountSid, ApplicationSid, Code, IncomingPhoneNumberSid};

use super::{Plan, Rules};
use crate::account::AccountStatus;
use crate::application::Application;
use crate::domain::HttpMethod;
use crate::kind::ResourceKind;
use crate::number::{
    IncomingPhoneNumber, IncomingPhoneNumberParameters, formatted_number, type_of,
};
use crate::patch::Patch;
use crate::rules;
use crate::write::WriteError;

impl Rules for IncomingPhoneNumber {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        _: u128,
        given: &IncomingPhoneNumberParameters,
    ) -> Result<Self, WriteError> {
        let phone_number = phone_number(&given.phone_number)?;
        let number_type = given.number_type.value().map(String::as_str);
        let mut row = Self {
            sid: IncomingPhoneNumberSid(sid),
            account: plan.account.sid,
            friendly_name: formatted_number(&phone_number).into_owned(),
            number_type: number_type.unwrap_or_else(|| type_of(&phone_number)).to_owned(),
            phone_number,
            beta: false,
            origin: "hosted".to_owned(),
            // The parameters of the texts without an absent state have defaults.
            api_version: String::new(),
            voice_url: None,
            voice_method: HttpMethod::Post,
            voice_fallback_url: None,
            voice_fallback_method: HttpMethod::Post,
            status_callback: None,
            status_callback_method: HttpMethod::Post,
            voice_application: None,
            trunk_sid: None,
            voice_caller_id_lookup: false,
            voice_receive_mode: String::new(),
            sms_url: None,
            sms_method: HttpMethod::Post,
            sms_fallback_url: None,
            sms_fallback_method: HttpMethod::Post,
            sms_application: None,
            emergency_status: String::new(),
            emergency_address_sid: None,
            address_sid: None,
            identity_sid: None,
            bundle_sid: None,
            created_ms: plan.mint.unix_ms,
            updated_ms: plan.mint.unix_ms,
            revision: 1,
        };
        plan.route(&mut row, given)?;
        patch(&mut row, given)?;
        Ok(row)
    }

    fn update(
        &mut self,
        plan: &Plan<'_>,
        given: &IncomingPhoneNumberParameters,
        _: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        if let Some(to) = given.account.value() {
            plan.may_move_to(*to)?;
            // Its application stays behind: it belongs to the account that had the number.
            if *to != self.account {
                (self.account, self.voice_application) = (*to, None);
            }
        }
        plan.route(self, given)?;
        patch(self, given)
    }
}

impl Plan<'_> {
    /// Who takes the calls of a number: its application or a trunk, never both (rest.md 10).
    fn route(
        &self,
        row: &mut IncomingPhoneNumber,
        given: &IncomingPhoneNumberParameters,
    ) -> Result<(), WriteError> {
        if let Some(application) = given.voice_application.value() {
            self.must_own(row.account, *application)?;
            if given.trunk_sid.value().is_some() {
                let message = "VoiceApplicationSid and TrunkSid exclude each other";
                return Err(WriteError::invalid(Code::INVALID_PARAMETER, message));
            }
            row.trunk_sid = None;
        }
        given.voice_application.apply(&mut row.voice_application);
        if given.trunk_sid.value().is_some() {
            row.voice_application = None;
        }
        given.trunk_sid.apply(&mut row.trunk_sid);
        debug_assert!(row.voice_application.is_none() || row.trunk_sid.is_none());
        Ok(())
    }

    fn must_own(&self, account: AccountSid, sid: ApplicationSid) -> Result<(), WriteError> {
        let application: Option<&Application> =
            self.snapshot.application(account, sid).map(|row| &**row);
        if application.is_some() {
            return Ok(());
        }
        let message = "VoiceApplicationSid names no application of the account";
        Err(WriteError::invalid(Code::APPLICATION_OF_ANOTHER, message))
    }

    /// Checks that a number may move to an account: one with the same main account, active, with room for it.
    fn may_move_to(&self, sid: AccountSid) -> Result<(), WriteError> {
        let refused = |code, message: &'static str| Err(WriteError::invalid(code, message));
        let Some(to) = self.snapshot.account(sid) else {
            return refused(Code::TRANSFER_UNKNOWN, "AccountSid names no account");
        };
        let main = |account: &crate::account::Account| account.parent.unwrap_or(account.sid);
        if main(to) != main(self.account) {
            let message =
                "AccountSid is neither the parent nor a subaccount of this account's parent";
            return refused(Code::TRANSFER_UNRELATED, message);
        }
        if to.status != AccountStatus::Active {
            return refused(
                Code::TRANSFER_INACTIVE,
                "The account that AccountSid names is not active",
            );
        }
        if sid != self.account.sid {
            self.room_for::<IncomingPhoneNumber>(sid.0)?;
        }
        Ok(())
    }
}

/// The number of a request.
pub(super) fn phone_number(given: &Patch<String>) -> Result<String, WriteError> {
    let absent = || WriteError::invalid(Code::PHONE_NUMBER, "PhoneNumber is required");
    given.value().cloned().ok_or_else(absent)
}

fn patch(
    row: &mut IncomingPhoneNumber,
    given: &IncomingPhoneNumberParameters,
) -> Result<(), WriteError> {
    match &given.friendly_name {
        Patch::Keep => {}
        // The name at creation is the number; clearing goes back to that.
        Patch::Clear => row.friendly_name = formatted_number(&row.phone_number).into_owned(),
        Patch::Set(name) => {
            rules::friendly_name(ResourceKind::IncomingPhoneNumber, name)?;
            row.friendly_name.clone_from(name);
        }
    }
    for (given, field) in [
        (&given.api_version, &mut row.api_version),
        (&given.voice_receive_mode, &mut row.voice_receive_mode),
        (&given.emergency_status, &mut row.emergency_status),
    ] {
        if let Some(text) = given.value() {
            field.clone_from(text);
        }
    }
    given.voice_url.apply(&mut row.voice_url);
    given.voice_method.set(&mut row.voice_method);
    given.voice_fallback_url.apply(&mut row.voice_fallback_url);
    given.voice_fallback_method.set(&mut row.voice_fallback_method);
    given.status_callback.apply(&mut row.status_callback);
    given.status_callback_method.set(&mut row.status_callback_method);
    given.voice_caller_id_lookup.set(&mut row.voice_caller_id_lookup);
    given.sms_url.apply(&mut row.sms_url);
    given.sms_method.set(&mut row.sms_method);
    given.sms_fallback_url.apply(&mut row.sms_fallback_url);
    given.sms_fallback_method.set(&mut row.sms_fallback_method);
    given.sms_application.apply(&mut row.sms_application);
    given.emergency_address_sid.apply(&mut row.emergency_address_sid);
    given.address_sid.apply(&mut row.address_sid);
    given.identity_sid.apply(&mut row.identity_sid);
    given.bundle_sid.apply(&mut row.bundle_sid);
    let has_url = row.voice_url.is_some() || row.voice_application.is_some();
    rules::fallback_has_url(&given.voice_fallback_url, has_url)
}
