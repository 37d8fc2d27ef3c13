//! Phone numbers that carriers deliver here. Sans-IO.
//!
//! A row says who answers calls to its number: the row's own URLs, or those of an application. A number is also a
//! caller id that its account may show.

use std::borrow::Cow;

use shared::limits::{FRIENDLY_NAME_CHARACTERS_MAX, PHONE_NUMBERS_ACCOUNT_MAX};
use shared::{AccountSid, ApplicationSid, Code, IncomingPhoneNumberSid};

use crate::domain::HttpMethod;
use crate::filter::{Filter, Test};
use crate::parameter::{Form, On, Parameter};
use crate::resource::{Collection, Column, Constant, resource};

/// Types of a number. Which one a number of the North American plan has does not show, toll-free ones aside: the
/// path by which it is registered says it.
pub(crate) const TYPES: &[&str] = &["local", "mobile", "toll-free"];

const BASE: &str = "Accounts/{account_sid}/IncomingPhoneNumbers";
const KEY: &str = "incoming_phone_numbers";

resource! {
    /// A phone number of an account.
    pub struct IncomingPhoneNumber {
        /// Named by its path.
        sid: IncomingPhoneNumberSid => [Column::fixed("sid").shown_as_sid("sid", IncomingPhoneNumberSid::PREFIX)],
        /// The account that owns it. `AccountSid` of an update moves it.
        account: AccountSid => [Column::changing("account").shown_as_sid("account_sid", AccountSid::PREFIX)],
        /// E.164 with `+`: unique over the node, and what calls are matched by.
        phone_number: String => [Column::fixed("phone_number").shown("phone_number")],
        /// At most 64 characters.
        friendly_name: String => [Column::changing("friendly_name").shown("friendly_name")],
        /// One of [`TYPES`].
        number_type: String => [Column::fixed("number_type").shown("type")],
        /// Always false; a column because a filter names it.
        beta: bool => [Column::fixed("beta").shown_as_boolean("beta")],
        /// Always `hosted`: a carrier has the number, and not this gateway. A column because a filter names it.
        origin: String => [Column::fixed("origin").shown("origin")],
        /// Kept and echoed: every document is of one version.
        api_version: String => [Column::changing("api_version").shown("api_version")],
        /// Where a call's first document is fetched.
        voice_url: Option<String> => [Column::changing("voice_url").shown_or_empty("voice_url")],
        /// Method of `voice_url`.
        voice_method: HttpMethod => [Column::changing("voice_method").shown("voice_method")],
        /// Fetched when `voice_url` fails.
        voice_fallback_url: Option<String> => [Column::changing("voice_fallback_url").shown_or_empty("voice_fallback_url")],
        /// Method of `voice_fallback_url`.
        voice_fallback_method: HttpMethod => [Column::changing("voice_fallback_method").shown("voice_fallback_method")],
        /// Notified when a call ends.
        status_callback: Option<String> => [Column::changing("status_callback").shown_or_empty("status_callback")],
        /// Method of `status_callback`.
        status_callback_method: HttpMethod => [Column::changing("status_callback_method").shown("status_callback_method")],
        /// Its URLs stand for those of the number. Cleared when the application is deleted.
        voice_application: Option<ApplicationSid> => [Column::changing("voice_application").shown_as_sid("voice_application_sid", ApplicationSid::PREFIX)],
        /// Kept and echoed. A number with one is left to the domain of its carrier.
        trunk_sid: Option<String> => [Column::changing("trunk_sid").shown("trunk_sid")],
        /// Kept and echoed: no caller's name is looked up.
        voice_caller_id_lookup: bool => [Column::changing("voice_caller_id_lookup").shown_as_boolean("voice_caller_id_lookup")],
        /// `voice` or `fax`, kept and echoed.
        voice_receive_mode: String => [Column::changing("voice_receive_mode").shown("voice_receive_mode")],
        /// Kept and echoed, as everything about messages.
        sms_url: Option<String> => [Column::changing("sms_url").shown_or_empty("sms_url")],
        /// Method of `sms_url`.
        sms_method: HttpMethod => [Column::changing("sms_method").shown("sms_method")],
        /// See `sms_url`.
        sms_fallback_url: Option<String> => [Column::changing("sms_fallback_url").shown_or_empty("sms_fallback_url")],
        /// Method of `sms_fallback_url`.
        sms_fallback_method: HttpMethod => [Column::changing("sms_fallback_method").shown("sms_fallback_method")],
        /// See `sms_url`.
        sms_application: Option<String> => [Column::changing("sms_application").shown_or_empty("sms_application_sid")],
        /// `Active` or `Inactive`, kept and echoed, as everything about emergency calls.
        emergency_status: String => [Column::changing("emergency_status").shown("emergency_status")],
        /// See `emergency_status`.
        emergency_address_sid: Option<String> => [Column::changing("emergency_address_sid").shown("emergency_address_sid")],
        /// Kept and echoed, as everything about regulations.
        address_sid: Option<String> => [Column::changing("address_sid").shown("address_sid")],
        /// See `address_sid`.
        identity_sid: Option<String> => [Column::changing("identity_sid").shown("identity_sid")],
        /// See `address_sid`.
        bundle_sid: Option<String> => [Column::changing("bundle_sid").shown("bundle_sid")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update.
        revision: u64 => [Column::changing("revision")],
    }
    described as {
        table: "incoming_phone_numbers",
        limit: PHONE_NUMBERS_ACCOUNT_MAX,
        // The contract has no code of its own for this limit (rest.md 12).
        limit_reached: (Code::INVALID_PARAMETER, "phone numbers of an account"),
        name_taken: (Code::PHONE_NUMBER_TAKEN, "This PhoneNumber is registered already"),
        // In the node and not in the account: a call to the number has one owner.
        unique: &[&["phone_number"]],
        collections: &[
            Collection::new(BASE, KEY),
            Collection::new("Accounts/{account_sid}/IncomingPhoneNumbers/Local", KEY).of("number_type", "Type", TYPES[0]),
            Collection::new("Accounts/{account_sid}/IncomingPhoneNumbers/Mobile", KEY).of("number_type", "Type", TYPES[1]),
            Collection::new("Accounts/{account_sid}/IncomingPhoneNumbers/TollFree", KEY).of("number_type", "Type", TYPES[2]),
        ],
        constants: &[
            ("capabilities", Constant::Flags(&[("voice", true), ("sms", false), ("mms", false), ("fax", false)])),
            ("address_requirements", Constant::Text("none")),
            ("status", Constant::Text("in-use")),
            ("emergency_address_status", Constant::Text("unregistered")),
        ],
        filters: &[
            Filter::testing("PhoneNumber", "phone_number", Test::Digits),
            Filter::equal("FriendlyName", "friendly_name", Form::Text, Code::INVALID_PARAMETER),
            Filter::equal("Beta", "beta", Form::Boolean, Code::INVALID_PARAMETER),
            Filter::equal("Origin", "origin", Form::Text, Code::INVALID_PARAMETER),
        ],
    }
    /// Parameters of a phone number.
    taking IncomingPhoneNumberParameters {
        /// E.164; blanks, dashes, dots and parentheses are dropped. Required, though the contract has `AreaCode` too.
        phone_number: String => Parameter::new("PhoneNumber", Form::PhoneNumber, Code::PHONE_NUMBER).taken(On::Create),
        /// Refused: nobody sells numbers here.
        area_code: String => Parameter::new("AreaCode", Form::Text, Code::AREA_CODE).taken(On::Create).refused(
            Code::AREA_CODE,
            "AreaCode finds no number: this gateway sells none. Register one that your carrier delivers, by PhoneNumber",
        ),
        /// Set by the view that the number is registered in.
        number_type: String => Parameter::new("Type", Form::Word(TYPES), Code::INVALID_PARAMETER).taken(On::Neither),
        /// The account that the number moves to.
        account: AccountSid => Parameter::new("AccountSid", Form::Sid(AccountSid::PREFIX), Code::TRANSFER_SID).taken(On::Update),
        /// Default: the number, formatted.
        friendly_name: String =>
            Parameter::new("FriendlyName", Form::Name(FRIENDLY_NAME_CHARACTERS_MAX), Code::FRIENDLY_NAME),
        /// See [`IncomingPhoneNumber::api_version`].
        api_version: String => Parameter::new("ApiVersion", Form::Text, Code::INVALID_PARAMETER).default("2010-04-01"),
        /// See [`IncomingPhoneNumber::voice_url`].
        voice_url: String => Parameter::new("VoiceUrl", Form::Url, Code::RESOURCE_URL),
        /// See [`IncomingPhoneNumber::voice_method`].
        voice_method: HttpMethod => Parameter::new("VoiceMethod", Form::Method, Code::RESOURCE_METHOD).default("POST"),
        /// See [`IncomingPhoneNumber::voice_fallback_url`].
        voice_fallback_url: String => Parameter::new("VoiceFallbackUrl", Form::Url, Code::RESOURCE_URL),
        /// See [`IncomingPhoneNumber::voice_fallback_method`].
        voice_fallback_method: HttpMethod => Parameter::new("VoiceFallbackMethod", Form::Method, Code::RESOURCE_METHOD).default("POST"),
        /// See [`IncomingPhoneNumber::status_callback`].
        status_callback: String => Parameter::new("StatusCallback", Form::Url, Code::RESOURCE_URL),
        /// See [`IncomingPhoneNumber::status_callback_method`].
        status_callback_method: HttpMethod => Parameter::new("StatusCallbackMethod", Form::Method, Code::RESOURCE_METHOD).default("POST"),
        /// See [`IncomingPhoneNumber::voice_application`]. Clears the trunk.
        voice_application: ApplicationSid => Parameter::new("VoiceApplicationSid", Form::Sid(ApplicationSid::PREFIX), Code::APPLICATION_OF_ANOTHER),
        /// See [`IncomingPhoneNumber::trunk_sid`]. Clears the application.
        trunk_sid: String => Parameter::new("TrunkSid", Form::Text, Code::INVALID_PARAMETER),
        /// See [`IncomingPhoneNumber::voice_caller_id_lookup`].
        voice_caller_id_lookup: bool => Parameter::new("VoiceCallerIdLookup", Form::Boolean, Code::INVALID_PARAMETER).default("false"),
        /// See [`IncomingPhoneNumber::voice_receive_mode`].
        voice_receive_mode: String => Parameter::new("VoiceReceiveMode", Form::Word(&["voice", "fax"]), Code::INVALID_PARAMETER).default("voice"),
        /// See [`IncomingPhoneNumber::sms_url`].
        sms_url: String => Parameter::new("SmsUrl", Form::Url, Code::RESOURCE_URL),
        /// See [`IncomingPhoneNumber::sms_method`].
        sms_method: HttpMethod => Parameter::new("SmsMethod", Form::Method, Code::RESOURCE_METHOD).default("POST"),
        /// See [`IncomingPhoneNumber::sms_fallback_url`].
        sms_fallback_url: String => Parameter::new("SmsFallbackUrl", Form::Url, Code::RESOURCE_URL),
        /// See [`IncomingPhoneNumber::sms_fallback_method`].
        sms_fallback_method: HttpMethod => Parameter::new("SmsFallbackMethod", Form::Method, Code::RESOURCE_METHOD).default("POST"),
        /// See [`IncomingPhoneNumber::sms_application`].
        sms_application: String => Parameter::new("SmsApplicationSid", Form::Text, Code::INVALID_PARAMETER),
        /// See [`IncomingPhoneNumber::emergency_status`].
        emergency_status: String => Parameter::new("EmergencyStatus", Form::Word(&["Active", "Inactive"]), Code::INVALID_PARAMETER).default("Inactive"),
        /// See [`IncomingPhoneNumber::emergency_address_sid`].
        emergency_address_sid: String => Parameter::new("EmergencyAddressSid", Form::Text, Code::INVALID_PARAMETER),
        /// See [`IncomingPhoneNumber::address_sid`].
        address_sid: String => Parameter::new("AddressSid", Form::Text, Code::INVALID_PARAMETER),
        /// See [`IncomingPhoneNumber::identity_sid`].
        identity_sid: String => Parameter::new("IdentitySid", Form::Text, Code::INVALID_PARAMETER),
        /// See [`IncomingPhoneNumber::bundle_sid`].
        bundle_sid: String => Parameter::new("BundleSid", Form::Text, Code::INVALID_PARAMETER),
    }
}

/// A phone number in E.164, its punctuation removed: `+`, and 2 to 15 digits that do not begin with 0. `None` for any
/// other text.
pub fn normal_number(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect();
    let digits = kept.strip_prefix('+')?;
    let fits = (2..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then_some(kept)
}

/// A number of the North American plan as `(415) 555-0100`; any other text as it is.
pub fn formatted_number(text: &str) -> Cow<'_, str> {
    let digits = text.strip_prefix("+1").unwrap_or_default();
    if digits.len() != 10 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.into();
    }
    format!("({}) {}-{}", &digits[..3], &digits[3..6], &digits[6..]).into()
}

/// The type of a number whose path does not say it: `toll-free` by its prefix, else `local`.
pub(crate) fn type_of(number: &str) -> &'static str {
    // Toll-free prefixes of the North American plan, and the two international ones (ITU-T E.169).
    const TOLL_FREE: [&str; 10] =
        ["+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888", "+1822", "+800", "+808"];
    let is_toll_free = TOLL_FREE.iter().any(|prefix| number.starts_with(prefix));
    if is_toll_free { TYPES[2] } else { TYPES[0] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_north_american_numbers_are_formatted() {
        assert_eq!(formatted_number("+15005550006"), "(500) 555-0006");
        assert_eq!(formatted_number("+442071838750"), "+442071838750");
        assert_eq!(formatted_number("sip:bob@pbx.example"), "sip:bob@pbx.example");
        assert_eq!(formatted_number("+1500555\u{661}06"), "+1500555\u{661}06");
    }

    #[test]
    fn a_number_is_kept_in_one_form() {
        assert_eq!(normal_number("+1 (500) 555-0006").as_deref(), Some("+15005550006"));
        assert_eq!(normal_number("+49.30.1234").as_deref(), Some("+49301234"));
        for text in ["", "+", "15005550006", "+0300", "+1234567890123456", "+1500x", "+1"] {
            assert_eq!(normal_number(text), None, "{text}");
        }
        assert_eq!((type_of("+18005550006"), type_of("+15005550006")), ("toll-free", "local"));
    }
}
