//! TwiML applications: URLs under one SID, which calls and numbers name instead. Sans-IO.

use shared::limits::{APPLICATIONS_ACCOUNT_MAX, FRIENDLY_NAME_CHARACTERS_MAX};
use shared::{AccountSid, ApplicationSid, Code};

use crate::domain::HttpMethod;
use crate::filter::Filter;
use crate::parameter::{Form, Parameter};
use crate::resource::{Collection, Column, resource};

resource! {
    /// A TwiML application: what answers a call that is routed to it.
    pub struct Application {
        /// Named by calls, numbers and its path.
        sid: ApplicationSid => [Column::fixed("sid").shown_as_sid("sid", ApplicationSid::PREFIX)],
        /// The account that owns it.
        account: AccountSid => [Column::fixed("account").shown_as_sid("account_sid", AccountSid::PREFIX)],
        /// At most 64 characters; `None` where the customer gave none.
        friendly_name: Option<String> => [Column::changing("friendly_name").shown("friendly_name")],
        /// Kept and echoed: every document is of one version.
        api_version: String => [Column::changing("api_version").shown("api_version")],
        /// Where a call's first document is fetched; without one, calls to it fail.
        voice_url: Option<String> => [Column::changing("voice_url").shown("voice_url")],
        /// Method of `voice_url`.
        voice_method: HttpMethod => [Column::changing("voice_method").shown("voice_method")],
        /// Fetched when `voice_url` fails.
        voice_fallback_url: Option<String> => [Column::changing("voice_fallback_url").shown("voice_fallback_url")],
        /// Method of `voice_fallback_url`.
        voice_fallback_method: HttpMethod => [Column::changing("voice_fallback_method").shown("voice_fallback_method")],
        /// Notified when a call ends.
        status_callback: Option<String> => [Column::changing("status_callback").shown("status_callback")],
        /// Method of `status_callback`.
        status_callback_method: HttpMethod => [Column::changing("status_callback_method").shown("status_callback_method")],
        /// Kept and echoed: no caller's name is looked up.
        voice_caller_id_lookup: bool => [Column::changing("voice_caller_id_lookup").shown_as_boolean("voice_caller_id_lookup")],
        /// Kept and echoed: whether `<Dial><Application>` of other accounts may reach it.
        public_connect: bool => [Column::changing("public_connect").shown_as_boolean("public_application_connect_enabled")],
        /// Kept and echoed, as all URLs of messages.
        sms_url: Option<String> => [Column::changing("sms_url").shown("sms_url")],
        /// Method of `sms_url`.
        sms_method: HttpMethod => [Column::changing("sms_method").shown("sms_method")],
        /// See `sms_url`.
        sms_fallback_url: Option<String> => [Column::changing("sms_fallback_url").shown("sms_fallback_url")],
        /// Method of `sms_fallback_url`.
        sms_fallback_method: HttpMethod => [Column::changing("sms_fallback_method").shown("sms_fallback_method")],
        /// See `sms_url`.
        sms_status_callback: Option<String> => [Column::changing("sms_status_callback").shown("sms_status_callback")],
        /// See `sms_url`.
        message_status_callback: Option<String> => [Column::changing("message_status_callback").shown("message_status_callback")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update.
        revision: u64 => [Column::changing("revision")],
    }
    described as {
        table: "applications",
        limit: APPLICATIONS_ACCOUNT_MAX,
        limit_reached: (Code::APPLICATIONS_MAX, "applications of an account"),
        collections: &[Collection::new("Accounts/{account_sid}/Applications", "applications")],
        filters: &[
            Filter::equal("FriendlyName", "friendly_name", Form::Text, Code::INVALID_PARAMETER),
        ],
    }
    /// Parameters of a TwiML application.
    taking ApplicationParameters {
        /// A name for people.
        friendly_name: String =>
            Parameter::new("FriendlyName", Form::Name(FRIENDLY_NAME_CHARACTERS_MAX), Code::FRIENDLY_NAME),
        /// See [`Application::api_version`].
        api_version: String => Parameter::new("ApiVersion", Form::Text, Code::INVALID_PARAMETER).default("2010-04-01"),
        /// See [`Application::voice_url`].
        voice_url: String => Parameter::new("VoiceUrl", Form::Url, Code::RESOURCE_URL),
        /// See [`Application::voice_method`].
        voice_method: HttpMethod => Parameter::new("VoiceMethod", Form::Method, Code::RESOURCE_METHOD).default("POST"),
        /// See [`Application::voice_fallback_url`].
        voice_fallback_url: String => Parameter::new("VoiceFallbackUrl", Form::Url, Code::RESOURCE_URL),
        /// See [`Application::voice_fallback_method`].
        voice_fallback_method: HttpMethod => Parameter::new("VoiceFallbackMethod", Form::Method, Code::RESOURCE_METHOD).default("POST"),
        /// See [`Application::status_callback`].
        status_callback: String => Parameter::new("StatusCallback", Form::Url, Code::RESOURCE_URL),
        /// See [`Application::status_callback_method`].
        status_callback_method: HttpMethod => Parameter::new("StatusCallbackMethod", Form::Method, Code::RESOURCE_METHOD).default("POST"),
        /// See [`Application::voice_caller_id_lookup`].
        voice_caller_id_lookup: bool => Parameter::new("VoiceCallerIdLookup", Form::Boolean, Code::INVALID_PARAMETER).default("false"),
        /// See [`Application::public_connect`].
        public_connect: bool => Parameter::new("PublicApplicationConnectEnabled", Form::Boolean, Code::INVALID_PARAMETER).default("false"),
        /// See [`Application::sms_url`].
        sms_url: String => Parameter::new("SmsUrl", Form::Url, Code::RESOURCE_URL),
        /// See [`Application::sms_method`].
        sms_method: HttpMethod => Parameter::new("SmsMethod", Form::Method, Code::RESOURCE_METHOD).default("POST"),
        /// See [`Application::sms_fallback_url`].
        sms_fallback_url: String => Parameter::new("SmsFallbackUrl", Form::Url, Code::RESOURCE_URL),
        /// See [`Application::sms_fallback_method`].
        sms_fallback_method: HttpMethod => Parameter::new("SmsFallbackMethod", Form::Method, Code::RESOURCE_METHOD).default("POST"),
        /// See [`Application::sms_status_callback`].
        sms_status_callback: String => Parameter::new("SmsStatusCallback", Form::Url, Code::RESOURCE_URL),
        /// See [`Application::message_status_callback`].
        message_status_callback: String => Parameter::new("MessageStatusCallback", Form::Url, Code::RESOURCE_URL),
    }
}
