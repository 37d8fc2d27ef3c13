//! Rules of TwiML applications. Sans-IO.

use shared::{AccountSid, ApplicationSid};

use super::{Plan, Rules};
use crate::application::{Application, ApplicationParameters};
use crate::domain::HttpMethod;
use crate::kind::ResourceKind;
use crate::patch::Patch;
use crate::rules;
use crate::write::WriteError;

impl Rules for Application {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        _: u128,
        given: &ApplicationParameters,
    ) -> Result<Self, WriteError> {
        let mut row = Self {
            sid: ApplicationSid(sid),
            account: plan.account.sid,
            friendly_name: None,
            api_version: String::new(),
            voice_url: None,
            voice_method: HttpMethod::Post,
            voice_fallback_url: None,
            voice_fallback_method: HttpMethod::Post,
            status_callback: None,
            status_callback_method: HttpMethod::Post,
            voice_caller_id_lookup: false,
            public_connect: false,
            sms_url: None,
            sms_method: HttpMethod::Post,
            sms_fallback_url: None,
            sms_fallback_method: HttpMethod::Post,
            sms_status_callback: None,
            message_status_callback: None,
            created_ms: plan.mint.unix_ms,
            updated_ms: plan.mint.unix_ms,
            revision: 1,
        };
        patch_application(&mut row, given)?;
        Ok(row)
    }

    fn update(
        &mut self,
        _: &Plan<'_>,
        given: &ApplicationParameters,
        _: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        patch_application(self, given)
    }
}

fn patch_application(
    row: &mut Application,
    given: &ApplicationParameters,
) -> Result<(), WriteError> {
    if let Patch::Set(name) = &given.friendly_name {
        rules::friendly_name(ResourceKind::Application, name)?;
    }
    given.friendly_name.apply(&mut row.friendly_name);
    if let Patch::Set(version) = &given.api_version {
        row.api_version.clone_from(version);
    }
    given.voice_url.apply(&mut row.voice_url);
    given.voice_method.set(&mut row.voice_method);
    given.voice_fallback_url.apply(&mut row.voice_fallback_url);
    given.voice_fallback_method.set(&mut row.voice_fallback_method);
    given.status_callback.apply(&mut row.status_callback);
    given.status_callback_method.set(&mut row.status_callback_method);
    given.voice_caller_id_lookup.set(&mut row.voice_caller_id_lookup);
    given.public_connect.set(&mut row.public_connect);
    given.sms_url.apply(&mut row.sms_url);
    given.sms_method.set(&mut row.sms_method);
    given.sms_fallback_url.apply(&mut row.sms_fallback_url);
    given.sms_fallback_method.set(&mut row.sms_fallback_method);
    given.sms_status_callback.apply(&mut row.sms_status_callback);
    given.message_status_callback.apply(&mut row.message_status_callback);
    // Asked of what the request sets, so that an old row with a fallback alone can still be renamed.
    rules::fallback_has_url(&given.voice_fallback_url, row.voice_url.is_some())
}
