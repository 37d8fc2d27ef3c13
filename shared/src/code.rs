//! The contract's error codes, once: what REST answers, notifications, alerts and callbacks carry.
//!
//! Codes below 20000 and from 30000 to 39999 name faults of documents, webhooks and SIP; the others are
//! refusals of the REST API. The constant's sentence is the short form for lists and help; a refusal
//! adds a sentence of its own that names the value at fault.

use std::fmt;

/// An error code of the contract, such as 32201: one of [`Code::ALL`], or one that another version of
/// the gateway stored.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Code(u32);

macro_rules! codes {
    ($($name:ident = $number:literal, $sentence:literal;)*) => {
        impl Code {
            $(#[doc = $sentence] pub const $name: Self = Self($number);)*

            /// Every code with its sentence, by number.
            pub const ALL: &[(Self, &'static str)] = &[$((Self::$name, $sentence)),*];
        }
    };
}

codes! {
    ACCOUNT_INACTIVE = 10001, "The account is not active.";
    CALL_CONCURRENCY = 10004, "The limit on concurrent calls is reached.";
    URL_INVALID = 11100, "The URL is not a valid absolute http or https URL.";
    HTTP_RETRIEVAL = 11200, "The HTTP request failed.";
    HTTP_CONNECT_TIMEOUT = 11201, "The TCP connection timed out.";
    HTTP_CONNECTION_REFUSED = 11202, "The TCP connection was refused.";
    HTTP_TIMEOUT = 11203, "The HTTP request exceeded its total time.";
    HTTP_CONNECTION = 11205, "The HTTP connection failed.";
    HTTP_PROTOCOL = 11206, "The response violates HTTP.";
    HTTP_HOST_NAME = 11210, "The host name does not resolve to an allowed address.";
    HTTP_REDIRECTS = 11215, "Too many HTTP redirects.";
    HTTP_REDIRECT_INVALID = 11216, "The HTTP redirect has no usable Location.";
    HTTP_STATUS = 11217, "The HTTP response has an error status.";
    TLS_HANDSHAKE = 11220, "The TLS handshake failed.";
    TLS_NAME_MISMATCH = 11235, "The TLS certificate names another host.";
    TLS_CERTIFICATE_EXPIRED = 11236, "The TLS certificate has expired.";
    TLS_UNTRUSTED = 11237, "The TLS certificate has no path to a trusted authority.";
    OVERRIDE_EDGE_INVALID = 11240, "The connection override names no valid edge.";
    OVERRIDE_EDGE_UNSUPPORTED = 11241, "The connection override names an edge that is not served.";
    OVERRIDE_INTERCONNECT = 11242, "The connection override names an interconnect that is not allowed.";
    OVERRIDE_INVALID = 11243, "The connection override is not valid.";
    HTTP_BODY_TOO_LARGE = 11750, "The response body is too large.";
    HTTP_BODY_EMPTY = 11770, "The response body is empty.";
    TWIML_PARSE = 12100, "The document cannot be parsed.";
    TWIML_XML_VERSION = 12101, "The XML version is not supported.";
    TWIML_ROOT = 12102, "The root element is not Response.";
    TWIML_SCHEMA = 12200, "The document has an unknown element or attribute.";
    TWIML_CONTENT_TYPE = 12300, "The content type is neither TwiML nor audio.";
    INTERNAL = 12400, "The gateway failed.";
    DIAL_MIXED = 13000, "Dial: a conference beside other targets.";
    DIAL_IN_SCREENING = 13201, "A screening document may not Dial.";
    DIAL_METHOD = 13210, "Dial: invalid method.";
    DIAL_TIMEOUT = 13212, "Dial: invalid timeout.";
    DIAL_HANGUP_ON_STAR = 13213, "Dial: invalid hangupOnStar.";
    DIAL_CALLER_ID = 13214, "Dial: invalid callerId.";
    DIAL_NESTED = 13215, "Dial: invalid nested element.";
    DIAL_TIME_LIMIT = 13216, "Dial: invalid timeLimit.";
    DIAL_RECORD = 13217, "Dial: invalid record.";
    DIAL_SEQUENTIAL = 13218, "Dial: invalid sequential.";
    DIAL_ANSWER_ON_BRIDGE = 13219, "Dial: invalid answerOnBridge.";
    DIAL_RING_TONE = 13220, "Dial: invalid ringTone.";
    NUMBER_METHOD = 13221, "Number: invalid method.";
    NUMBER_SEND_DIGITS = 13222, "Number: invalid sendDigits.";
    NUMBER_FORMAT = 13223, "Number: invalid number.";
    NUMBER_NOT_CALLABLE = 13224, "Number: not callable from this gateway.";
    CONFERENCE_MUTED = 13230, "Conference: invalid muted.";
    CONFERENCE_END = 13231, "Conference: invalid endConferenceOnExit.";
    CONFERENCE_START = 13232, "Conference: invalid startConferenceOnEnter.";
    CONFERENCE_WAIT_URL = 13233, "Conference: invalid waitUrl.";
    CONFERENCE_WAIT_METHOD = 13234, "Conference: invalid waitMethod.";
    CONFERENCE_BEEP = 13235, "Conference: invalid beep.";
    CONFERENCE_NAME = 13237, "Conference: invalid name.";
    WAIT_VERB = 13238, "Verb not allowed in a wait document.";
    CONFERENCE_TRIM = 13239, "Conference: invalid trim.";
    CONFERENCE_COACH = 13240, "Conference: the member to coach is not there.";
    SIP_METHOD = 13241, "Sip: invalid method.";
    SIP_SEND_DIGITS = 13242, "Sip: invalid sendDigits.";
    SIP_URI = 13243, "Sip: invalid URI.";
    DIAL_FROM_NUMBER = 13247, "Dial: the caller id is not a number of the account.";
    SIP_CALLER_ID_LENGTH = 13248, "Sip: caller ID too long.";
    SIP_CREDENTIALS = 13249, "Sip: invalid username or password.";
    SIP_URIS_MAX = 13250, "Dial: more than ten targets.";
    SIP_HEADER_NAME = 13252, "Sip: header name not allowed.";
    SIP_HEADERS_LENGTH = 13253, "Sip: header part too long.";
    SIP_HOST = 13254, "Sip: the host does not resolve to an allowed address.";
    RECORDING_STATUS_CALLBACK = 13256, "Invalid recordingStatusCallback.";
    TRANSCRIBE_CALLBACK = 13257, "Invalid transcribeCallback.";
    GATHER_FINISH_ON_KEY = 13310, "Gather: invalid finishOnKey.";
    GATHER_METHOD = 13312, "Gather: invalid method.";
    GATHER_TIMEOUT = 13313, "Gather: invalid timeout.";
    GATHER_NUM_DIGITS = 13314, "Gather: invalid numDigits.";
    GATHER_NESTED = 13320, "Gather: invalid nested verb.";
    GATHER_PLAY_CONTENT_TYPE = 13325, "Gather: the nested Play is not audio.";
    GATHER_INPUT = 13326, "Gather: invalid input.";
    GATHER_SPEECH_TIMEOUT = 13327, "Gather: invalid speechTimeout.";
    GATHER_MAX_SPEECH_TIME = 13328, "Gather: invalid maxSpeechTime.";
    GATHER_PARTIAL_METHOD = 13329, "Gather: invalid partialResultCallbackMethod.";
    GATHER_HINTS = 13330, "Gather: invalid hints.";
    GATHER_LANGUAGE = 13331, "Gather: invalid language.";
    GATHER_BARGE_IN = 13332, "Gather: invalid bargeIn.";
    GATHER_PROFANITY_FILTER = 13333, "Gather: invalid profanityFilter.";
    GATHER_SPEECH_MODEL = 13334, "Gather: invalid speechModel.";
    GATHER_SPEECH_AUTO = 13335, "Gather: speechTimeout auto beside a speechModel.";
    GATHER_ACTION_ON_EMPTY_RESULT = 13338, "Gather: invalid actionOnEmptyResult.";
    GATHER_SPEECH_ENGINE_FAILED = 13342, "Gather: the speech recognition engine failed.";
    GATHER_NO_SPEECH_ENGINE = 13343, "Gather: no speech recognition engine.";
    PLAY_LOOP = 13410, "Play: invalid loop.";
    PLAY_CONTENT_TYPE = 13420, "Play: the content is not audio that can be played.";
    PLAY_DIGITS = 13430, "Play: invalid digits.";
    SAY_LOOP = 13510, "Say: invalid loop.";
    SAY_VOICE = 13511, "Say: voice not available.";
    SAY_LANGUAGE = 13512, "Say: language not available.";
    SAY_SSML_RATE = 13513, "Say: invalid SSML.";
    SAY_TEXT = 13520, "Say: empty or invalid text.";
    SAY_TEXT_LENGTH = 13521, "Say: text too long.";
    RECORD_METHOD = 13610, "Record: invalid method.";
    RECORD_TIMEOUT = 13611, "Record: invalid timeout.";
    RECORD_MAX_LENGTH = 13612, "Record: invalid maxLength.";
    RECORD_FINISH_ON_KEY = 13613, "Record: invalid finishOnKey.";
    RECORD_TRANSCRIBE = 13614, "Record: transcription is not available.";
    RECORD_TRANSCRIBE_LENGTH = 13615, "Record: maxLength is too high for a transcription.";
    RECORD_PLAY_BEEP = 13616, "Record: invalid playBeep.";
    RECORD_TOO_SHORT_TO_TRANSCRIBE = 13617, "Record: too short to be transcribed.";
    RECORD_TOO_LONG_TO_TRANSCRIBE = 13618, "Record: too long to be transcribed.";
    RECORD_EVENTS = 13621, "Record: invalid recordingStatusCallbackEvent.";
    RECORDING_TRACK = 13622, "Invalid recordingTrack.";
    RECORD_TRIM = 13699, "Record: invalid trim.";
    REDIRECT_METHOD = 13710, "Redirect: invalid method.";
    VERB_NOT_SUPPORTED = 13750, "The verb is not supported.";
    REFER_NOT_SIP = 13801, "Refer: the leg is not a SIP leg.";
    REFER_WITHOUT_URL = 13802, "A REFER arrived and the Dial has no referUrl.";
    REJECT_REASON = 13810, "Reject: invalid reason.";
    PAUSE_LENGTH = 13910, "Pause: invalid length.";
    ENQUEUE_METHOD = 14201, "Enqueue: invalid method.";
    ENQUEUE_NAME_SHORT = 14204, "Enqueue: the queue has no name.";
    ENQUEUE_NAME_LONG = 14205, "Enqueue: the name of the queue is too long.";
    ENQUEUE_WAIT_METHOD = 14206, "Enqueue: invalid waitUrlMethod.";
    QUEUE_FULL = 14207, "Enqueue: the queue is full.";
    QUEUE_METHOD = 14210, "Queue: invalid method.";
    QUEUE_NAME_SHORT = 14212, "Queue: the queue has no name.";
    QUEUE_NAME_LONG = 14213, "Queue: the name of the queue is too long.";
    CONFERENCE_FULL = 16020, "The conference has its most participants.";
    CONFERENCE_GONE = 16022, "The conference has ended.";
    PARTICIPANT_LABEL = 16024, "The participant label is not valid.";
    PARTICIPANT_LABEL_TAKEN = 16025, "The conference has a member with this label.";
    PARTICIPANT_LABEL_IN_USE = 16026, "The participant label is in use.";
    RECORDING_TOO_SHORT = 16101, "The recording holds no audio.";
    RECORDINGS_CONCURRENT = 16108, "Several recordings of the call run at once.";
    DUAL_CHANNEL_OF_MONO = 16113, "The recording has one channel only.";
    FRIENDLY_NAME = 20002, "FriendlyName is too long.";
    AUTHENTICATE = 20003, "Credentials are missing, wrong or insufficient.";
    METHOD_NOT_ALLOWED = 20004, "The resource does not support the method.";
    ACCOUNT_NOT_ACTIVE = 20005, "The account is not active.";
    ACCESS_DENIED = 20006, "Access is denied.";
    CALL_NOT_FINISHED = 20009, "A call that has not ended cannot be deleted.";
    NOT_FOUND = 20404, "The resource was not found.";
    NOT_ACCEPTABLE = 20406, "The representation is not available.";
    CONFLICT = 20409, "The state of the resource does not allow it.";
    UNSUPPORTED_MEDIA_TYPE = 20415, "The body is not a form.";
    RANGE_NOT_SATISFIABLE = 20416, "The range lies outside the file.";
    INVALID_PARAMETER = 20422, "A parameter is not valid.";
    TOO_MANY_REQUESTS = 20429, "Too many requests.";
    UNAVAILABLE = 20503, "The store does not answer.";
    SUBACCOUNT_NESTED = 21101, "A subaccount cannot have subaccounts.";
    TO_MISSING = 21201, "No To is given.";
    URL_NOT_ABSOLUTE = 21205, "Url is not a valid absolute http or https URL.";
    SEND_DIGITS = 21206, "Invalid SendDigits.";
    TIMEOUT = 21208, "Invalid Timeout.";
    METHOD = 21209, "Invalid Method.";
    FROM_NOT_VERIFIED = 21210, "From is not a number that the account owns or has verified.";
    TO_INVALID = 21211, "Invalid To.";
    FROM_INVALID = 21212, "Invalid From.";
    FROM_MISSING = 21213, "No From is given.";
    TO_NOT_A_NUMBER = 21217, "To is not a phone number.";
    APPLICATION_SID = 21218, "Unknown ApplicationSid.";
    CALL_STATE = 21220, "The call is not in the right state.";
    SIP_USERNAME_LENGTH = 21221, "SipAuthUsername is too long.";
    SIP_USERNAME = 21222, "Illegal characters in SipAuthUsername.";
    SIP_PASSWORD_LENGTH = 21223, "SipAuthPassword is too long.";
    SIP_PASSWORD = 21224, "Illegal characters in SipAuthPassword.";
    SIP_USERNAME_ALONE = 21225, "SipAuthUsername without SipAuthPassword.";
    SIP_HEADER_PART_LENGTH = 21227, "The header part of the SIP URI is too long.";
    SIP_HEADER_NAME_ILLEGAL = 21228, "Illegal character in a SIP header name.";
    SIP_HEADER_VALUE_ILLEGAL = 21229, "Illegal character in a SIP header value.";
    DOMAINS_MAX = 21230, "The account has the most SIP domains it may have.";
    DOMAIN_PARAMETER = 21231, "A parameter of the SIP domain is not valid.";
    DOMAIN_NAME = 21232, "The domain name is invalid, taken or not below a domain of the account.";
    DOMAIN_HAS_SUBDOMAINS = 21233, "The domain still has subdomains.";
    MACHINE_DETECTION = 21234, "Invalid machine detection settings.";
    ACCESS_CONTROL_LIST = 21235, "The IP access control list or address is invalid or a duplicate.";
    ACCESS_CONTROL_LIST_MAPPED = 21236, "The IP access control list is still mapped.";
    ACCESS_CONTROL_ADDRESSES_MAX = 21237, "The IP access control list is full.";
    CREDENTIAL_LISTS_MAX = 21239, "The account has the most credential lists it may have.";
    CREDENTIAL_LIST = 21240, "The credential list or credential is invalid or a duplicate.";
    CREDENTIAL_LIST_MAPPED = 21241, "The credential list is still mapped.";
    CREDENTIALS_MAX = 21242, "The credential list is full.";
    ACCESS_CONTROL_LISTS_MAX = 21255, "The account has the most IP access control lists it may have.";
    ASYNC_AMD_CALLBACK = 21262, "AsyncAmd needs an AsyncAmdStatusCallback.";
    PARTICIPANT_ASYNC_AMD = 21263, "AsyncAmd is not a parameter of participants.";
    BYOC_TRUNK_SID = 21300, "Unknown BYOC trunk.";
    APPLICATIONS_MAX = 21301, "The account has the most applications it may have.";
    RESOURCE_URL = 21402, "The URL is not a valid absolute http or https URL.";
    RESOURCE_METHOD = 21403, "The method is neither GET nor POST.";
    FALLBACK_ALONE = 21405, "A fallback URL without a URL.";
    APPLICATION_OF_ANOTHER = 21420, "The application does not belong to the account.";
    PHONE_NUMBER = 21421, "The phone number is not in E.164 form.";
    PHONE_NUMBER_TAKEN = 21422, "The phone number is registered already.";
    CALLER_ID_TAKEN = 21450, "The caller id is verified already.";
    AREA_CODE = 21452, "No phone number in this area code.";
    TRANSFER_SID = 21470, "AccountSid is not a SID of an account.";
    TRANSFER_UNKNOWN = 21471, "AccountSid names no account.";
    TRANSFER_INACTIVE = 21472, "The account that AccountSid names is not active.";
    TRANSFER_UNRELATED = 21473, "The accounts have no parent in common.";
    ACCOUNT_STATUS = 21475, "Not a status of an account.";
    PARENT_SUSPENDED = 21476, "The parent account is not active.";
    MAIN_ACCOUNT_STATUS = 21477, "The status of a main account cannot be set.";
    ACCOUNT_CLOSED = 21479, "A closed account stays closed.";
    SUBACCOUNTS_MAX = 21480, "The account has the most subaccounts it may have.";
    PAGE_TOKEN = 21481, "Invalid PageToken.";
    EVENT_UNKNOWN = 21626, "A list of events has a word that is not an event.";
    STREAM_INTERNAL = 31900, "Stream: the gateway failed.";
    STREAM_TIMEOUT = 31901, "Stream: no answer within the time for it.";
    STREAM_REFUSED = 31902, "Stream: the TCP connection was refused.";
    STREAM_BROKEN = 31903, "Stream: the connection broke.";
    STREAM_UNREACHABLE = 31904, "Stream: the host does not resolve to an allowed address, or cannot be reached.";
    STREAM_TLS = 31910, "Stream: the TLS handshake failed.";
    STREAM_HANDSHAKE = 31920, "Stream: the server did not accept the WebSocket handshake.";
    STREAM_CLOSED = 31921, "Stream: the server closed with an error.";
    STREAM_SCHEME = 31922, "Stream: the URL is not wss.";
    STREAM_URL = 31923, "Stream: the URL is not valid.";
    STREAM_PROTOCOL = 31924, "Stream: the server broke the WebSocket protocol.";
    STREAM_SLOW = 31930, "Stream: the server reads too slowly.";
    STREAM_PLAYOUT_FULL = 31931, "Stream: more audio waits than may be buffered.";
    STREAM_CONNECTOR = 31940, "Stream: the connector is not known.";
    STREAM_TRACK = 31941, "Stream: invalid track.";
    STREAM_UNDECODABLE = 31950, "Stream: the message cannot be decoded.";
    STREAM_MESSAGE = 31951, "Stream: the message does not conform.";
    STREAM_NO_MEDIA = 31953, "Stream: no RTP arrives.";
    DIALLED_DOMAIN_UNKNOWN = 32002, "The dialled SIP domain does not exist.";
    MAX_FORWARDS = 32006, "Max-Forwards is used up.";
    CONTACTS_MAX = 32007, "Too many contacts for one address of record.";
    REGISTER_RATE = 32008, "Too many REGISTER requests for one address of record.";
    USER_NOT_REGISTERED = 32009, "The user is not registered.";
    TARGET_FAILED = 32011, "A try at a SIP target failed.";
    NO_MEDIA = 32014, "No media arrived.";
    NO_ACK = 32022, "No ACK arrived for the 2xx response.";
    SDP_INVALID = 32102, "The SDP is invalid or not acceptable.";
    SDP_MISSING = 32103, "The request has no body.";
    CONTACT_LOOPBACK = 32105, "Contact is a loopback address.";
    USER_MISMATCH = 32106, "The digest user is not the user of the address of record.";
    HEADER_NAME = 32111, "Invalid SIP header name.";
    HEADER_VALUE = 32112, "Invalid SIP header value.";
    HEADER_RESERVED = 32113, "The SIP header name is reserved.";
    URI_PARAMETER = 32114, "The value of a SIP URI parameter is not supported.";
    CALL_REASON_LENGTH = 32115, "The branded call reason is too long.";
    SIP_NO_PERMISSION = 32200, "The SIP request is not permitted.";
    SIP_SOURCE_NOT_LISTED = 32201, "The source address is not in the IP access control list.";
    SIP_BAD_CREDENTIALS = 32202, "Wrong SIP credentials.";
    SRTP_NOT_ACCEPTED = 32207, "SRTP is not accepted.";
    SRTP_REQUIRED = 32208, "SRTP is required.";
    TLS_REQUIRED = 32209, "TLS is required.";
    REGISTRATION_OFF = 32210, "SIP registration is off for the domain.";
    REGISTRATION_WITHOUT_LIST = 32212, "The domain has no credential list for registrations.";
    FOREIGN_DOMAIN = 32214, "The SIP domain belongs to another account.";
    REDIRECT_NOT_FOLLOWED = 32219, "The SIP redirect was not followed.";
    REGISTERED_URI_WITH_EDGE = 32220, "A registered user's URI names an edge.";
    NOT_REGISTERED_ON_EDGE = 32221, "The user is not registered on that edge.";
    TLS_VERSION = 32222, "The peer's TLS version is below 1.2.";
    URI_WITHOUT_USER = 32223, "The SIP URI has no user.";
    TRANSCRIPTION_CONFIGURATION = 32650, "Transcription: the configuration cannot be served.";
    TRANSCRIPTION_PROVIDER = 32651, "Transcription: the engine failed.";
    TRANSCRIPTION_UNKNOWN_CONFIG = 32652, "Transcription: an unknown Config.";
    TRANSCRIPTION_INTERNAL = 32653, "Transcription: the gateway failed.";
    RELAY_PARAMETER = 64101, "ConversationRelay: invalid parameter.";
    RELAY_CONNECT = 64102, "ConversationRelay: the WebSocket cannot be opened.";
    RELAY_INTERNAL = 64103, "ConversationRelay: the gateway failed.";
    RELAY_CLOSED = 64105, "ConversationRelay: the WebSocket ended before the session.";
    RELAY_MESSAGE = 64107, "ConversationRelay: the message does not conform.";
    RELAY_RECOGNISER = 64114, "ConversationRelay: the recogniser is not available.";
    PAGE_WITHOUT_TOKEN = 70002, "Page needs the PageToken of its link.";
    STUDIO_STEPS = 81000, "Studio: the execution has more steps than one may have.";
    STUDIO_LOOP = 81001, "Studio: the execution runs one widget again and again.";
    STUDIO_EVENT = 81002, "Studio: the widget has no transition for the event.";
    STUDIO_NO_MATCH = 81005, "Studio: no condition of the split holds.";
    STUDIO_CONNECT_TIMEOUT = 81007, "Studio: the connected call did not report its end.";
    STUDIO_CALL_FAILED = 81008, "Studio: the outgoing call could not be placed.";
    STUDIO_ENQUEUE_TIMEOUT = 81009, "Studio: the queued call did not report its end.";
    STUDIO_FUNCTION_FAILED = 81010, "Studio: the Function could not be run.";
    STUDIO_HTTP_INTERNAL = 81014, "Studio: the answer to the HTTP request does not fit.";
    STUDIO_HTTP_FAILED = 81016, "Studio: the HTTP request failed.";
    STUDIO_FUNCTION_ANSWER = 81017, "Studio: the Function answered with an error.";
    STUDIO_TEMPLATE = 81018, "Studio: a template cannot be rendered.";
    STUDIO_NOT_FIT = 81020, "Studio: the widget does not fit what the execution is for.";
    STUDIO_REVISION = 81021, "Studio: no such revision of the flow.";
    STUDIO_DEFINITION = 81022, "Studio: the definition of the flow is not valid.";
    STUDIO_ADDRESSES = 81023, "Studio: To and From are too long.";
    STUDIO_SUBFLOW = 81024, "Studio: the subflow cannot be run.";
    STUDIO_WIDGETS = 81025, "Studio: the flow has more widgets than one may have.";
    STUDIO_WIDGETS_RUN = 81026, "Studio: the flow and its subflow have more widgets than they may have.";
    STUDIO_TYPE = 81027, "Studio: a value has the wrong type.";
    FUNCTION_CLIENT_ERROR = 82001, "A Function answered with a 4xx status.";
    FUNCTION_SERVER_ERROR = 82002, "A Function failed, or did not answer in time.";
    FUNCTION_BUILD_FAILED = 82003, "A build of Functions failed.";
    FUNCTION_PRINTED_WARNING = 82004, "A Function printed a warning.";
    FUNCTION_PRINTED_ERROR = 82005, "A Function printed an error.";
}

impl Code {
    /// The number, as REST and webhooks show it.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// A code as it was stored. A newer version may have written one that this version does not know; it
    /// is shown as it is, without a sentence.
    #[must_use]
    pub const fn from_stored(number: u32) -> Self {
        Self(number)
    }

    /// The code with this number, where the contract has it.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.binary_search_by_key(&number, |(code, _)| code.0).ok().map(|_| Self(number))
    }

    /// What the code means, in one sentence; empty for one that this version does not know.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        let found = Self::ALL.binary_search_by_key(&self, |(code, _)| *code);
        found.map_or("", |index| Self::ALL[index].1)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Code> for u32 {
    fn from(code: Code) -> Self {
        code.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_rise_so_that_each_is_found() {
        assert!(Code::ALL.is_sorted_by(|(a, _), (b, _)| a < b));
        for (code, sentence) in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(*code));
            assert_eq!(code.sentence(), *sentence);
        }
        assert_eq!(Code::from_number(11_111), None);
        assert_eq!(Code::from_stored(11_111).sentence(), "");
    }
}
