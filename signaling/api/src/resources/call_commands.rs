//! Parameters of `POST Calls`, `POST Calls/{sid}` and their recordings: read, checked for form, and made
//! into commands for Control.

use shared::limits::{
    CALL_S, RING_S, SIP_NOUN_HEADERS_MAX, SIP_NOUN_URI_MAX, TWIML_INLINE_CHARACTERS_MAX,
};
use shared::{AccountSid, CallSid, Code};
use store::{
    CallEvents, CallTarget, CreateCall, HttpMethod, ParameterWarning, Patch, RecordCall,
    RecordingAction, RecordingEvents, RecordingTrack, Secret, SipAuth, TwimlSource, UpdateAction,
    UpdateCall, Webhook, WriteError,
};

use crate::form::Form;
use crate::request::percent_decode;
use crate::response::invalid_parameter;

/// Ring time where the request names none, seconds.
const TIMEOUT_S: u32 = 60;
const SEND_DIGITS_MAX: usize = 32;
const SIP_AUTH_CHARACTERS_MAX: usize = 255;
const NUMBER_DIGITS_MAX: usize = 15;
/// Headers besides `X-` ones that the URI of a callee may set.
const TARGET_HEADERS: [&str; 4] =
    ["User-to-User", "Remote-Party-ID", "P-Preferred-Identity", "P-Called-Party-ID"];

/// Reads `POST Calls`.
pub(crate) fn create(account: AccountSid, form: &Form) -> Result<CreateCall, WriteError> {
    let to = target(form.value("To").map(str::trim).unwrap_or_default())?;
    let from = caller(&to, form.value("From").map(str::trim).unwrap_or_default())?;
    refuse_what_is_not_built(form)?;
    let method = form.method("Method", 21209)?.unwrap_or_default();
    let twiml = twiml_source(form, method)?.ok_or_else(|| {
        WriteError::invalid(21205, "One of Url, Twiml and ApplicationSid is required")
    })?;
    Ok(CreateCall {
        account,
        from,
        caller_id: form.value("CallerId").map(caller_id).transpose()?,
        to,
        twiml,
        fallback: webhook(form, "FallbackUrl", "FallbackMethod")?,
        status_callback: status_callback(form)?,
        status_callback_events: call_events(form),
        send_digits: form.value("SendDigits").map(send_digits).transpose()?,
        timeout_s: form.number("Timeout", (1, RING_S.1), 21208)?.unwrap_or(TIMEOUT_S),
        time_limit_s: form.number("TimeLimit", (1, CALL_S.1), 20422)?.unwrap_or(CALL_S.0),
        record: record(form)?,
        sip_auth: sip_auth(form)?,
        warnings: without_effect(form).into_iter().chain(unknown_events(form)).collect(),
    })
}

/// Reads `POST Calls/{sid}`.
pub(crate) fn update(
    account: AccountSid,
    call: CallSid,
    form: &Form,
) -> Result<UpdateCall, WriteError> {
    let method = form.method("Method", 21209)?.unwrap_or_default();
    if form.value("Url").is_some() && form.value("Twiml").is_some() {
        return Err(WriteError::invalid(21205, "Url and Twiml exclude each other"));
    }
    let redirect = twiml_source(form, method)?;
    let fallback = webhook(form, "FallbackUrl", "FallbackMethod")?;
    let words = [("canceled", UpdateAction::Cancel), ("completed", UpdateAction::Complete)];
    let status = match form.value("Status") {
        None => None,
        Some(text) => {
            let found = words.into_iter().find(|(word, _)| *word == text);
            let message = "Status must be canceled or completed";
            Some(found.ok_or_else(|| invalid_parameter(message))?.1)
        }
    };
    // Ending a call takes precedence: a document for it would never run.
    let action =
        status.or_else(|| redirect.map(|twiml| UpdateAction::Redirect { twiml, fallback }));
    let status_callback = match form.raw("StatusCallback") {
        None => Patch::Keep,
        Some(_) => status_callback(form)?.map_or(Patch::Clear, Patch::Set),
    };
    let time_limit_s = form.number("TimeLimit", (1, CALL_S.1), 20422)?;
    Ok(UpdateCall { account, call, action, status_callback, time_limit_s })
}

/// Reads `POST Calls/{sid}/Recordings`. By default silence stays, unlike with `POST Calls`.
pub(crate) fn start_recording(form: &Form) -> Result<RecordCall, WriteError> {
    recording_parameters(form, false)
}

/// Reads `POST Calls/{sid}/Recordings/{sid}`.
pub(crate) fn recording_action(form: &Form) -> Result<RecordingAction, WriteError> {
    let behavior = [("silence", false), ("skip", true)];
    let skip = form.one_of("PauseBehavior", &behavior)?.unwrap_or(false);
    let actions = [
        ("paused", RecordingAction::Pause { skip }),
        ("in-progress", RecordingAction::Resume),
        ("stopped", RecordingAction::Stop),
    ];
    form.one_of("Status", &actions)?.ok_or_else(|| invalid_parameter("Status is required"))
}

/// `ApplicationSid` would replace the URLs; applications are not built, so every SID is unknown.
fn refuse_what_is_not_built(form: &Form) -> Result<(), WriteError> {
    if form.value("ApplicationSid").is_some() {
        let message =
            "ApplicationSid is unknown: applications are not built in this version of the gateway";
        return Err(WriteError::invalid(21218, message));
    }
    if form.value("Byoc").is_some() {
        let message = "Byoc is unknown: BYOC trunks are not built in this version of the gateway";
        return Err(WriteError::invalid(21300, message));
    }
    // SendDigits switches machine detection off.
    let detects = form.value("MachineDetection").is_some() && form.value("SendDigits").is_none();
    if detects {
        let message = "MachineDetection is not built in this version of the gateway: place the call \
                       without it";
        return Err(WriteError::invalid(21234, message));
    }
    Ok(())
}

/// Warnings about machine-detection parameters without `MachineDetection`, or with `SendDigits`, which switches it
/// off: nothing would detect a machine.
fn without_effect(form: &Form) -> Option<ParameterWarning> {
    let asked = |name: &&&str| form.value(name).is_some_and(|v| !v.eq_ignore_ascii_case("false"));
    let names: Vec<&str> = MACHINE_DETECTION.iter().filter(asked).copied().collect();
    if names.is_empty() {
        return None;
    }
    let is_async = names.contains(&"AsyncAmd");
    let code = match form.value("AsyncAmdStatusCallback") {
        None if is_async => Code::ASYNC_AMD_CALLBACK,
        _ => Code::MACHINE_DETECTION,
    };
    let sentence = format!(
        "{} without effect: the call is made without machine detection, which is not built in this \
         version of the gateway",
        names.join(", ")
    );
    Some(ParameterWarning { code, sentence })
}

/// Warnings about words of the two event lists that are not events. The cloud ignores them with a warning too.
fn unknown_events(form: &Form) -> impl Iterator<Item = ParameterWarning> {
    let lists: [(&str, &[&str]); 2] = [
        ("StatusCallbackEvent", &["initiated", "ringing", "answered", "completed"]),
        ("RecordingStatusCallbackEvent", &["in-progress", "completed", "absent"]),
    ];
    lists.into_iter().filter_map(|(name, known)| {
        let word = form.words(name).find(|word| !known.contains(word))?;
        let word: String = word.chars().take(EVENT_SHOWN_CHARACTERS).collect();
        let sentence = format!("`{word}` of {name} is not one of: {}", known.join(", "));
        Some(ParameterWarning { code: Code::EVENT_UNKNOWN, sentence })
    })
}

/// Most characters of an unknown event that its warning repeats.
const EVENT_SHOWN_CHARACTERS: usize = 40;

/// Parameters that tune machine detection; `MachineDetection` switches it on.
const MACHINE_DETECTION: [&str; 7] = [
    "AsyncAmd",
    "AsyncAmdStatusCallback",
    "AsyncAmdStatusCallbackMethod",
    "MachineDetectionSilenceTimeout",
    "MachineDetectionSpeechEndThreshold",
    "MachineDetectionSpeechThreshold",
    "MachineDetectionTimeout",
];

/// The source of the first document: `Url` takes precedence over `Twiml`.
fn twiml_source(form: &Form, method: HttpMethod) -> Result<Option<TwimlSource>, WriteError> {
    if let Some(url) = form.url("Url", 21205)? {
        return Ok(Some(TwimlSource::Url(Webhook { url, method })));
    }
    let Some(twiml) = form.value("Twiml") else { return Ok(None) };
    if twiml.chars().count() > TWIML_INLINE_CHARACTERS_MAX {
        let message = format!("Twiml may have at most {TWIML_INLINE_CHARACTERS_MAX} characters");
        return Err(invalid_parameter(message));
    }
    Ok(Some(TwimlSource::Inline(twiml.to_owned())))
}

fn webhook(form: &Form, url: &str, method: &str) -> Result<Option<Webhook>, WriteError> {
    let method = form.method(method, 21209)?.unwrap_or_default();
    Ok(form.url(url, 21205)?.map(|url| Webhook { url, method }))
}

/// Reads `StatusCallback`: a URL whose host name, unlike that of others, may not have an underscore.
fn status_callback(form: &Form) -> Result<Option<Webhook>, WriteError> {
    let callback = webhook(form, "StatusCallback", "StatusCallbackMethod")?;
    let host = |callback: &Webhook| {
        url::Url::parse(&callback.url).ok().and_then(|url| url.host_str().map(str::to_owned))
    };
    if callback.as_ref().and_then(host).is_some_and(|host| host.contains('_')) {
        let message = "StatusCallback is not valid: its host name may not hold an underscore";
        return Err(WriteError::invalid(21205, message));
    }
    Ok(callback)
}

/// Reads `To`.
fn target(to: &str) -> Result<CallTarget, WriteError> {
    if to.is_empty() {
        return Err(WriteError::invalid(21201, "No 'To' number is specified"));
    }
    let scheme = to.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("sip") => sip_target(to),
        Some("sips") => sip_target(&over_tls(to)),
        Some("client") => {
            let message = "To `client:` is not built in this version of the gateway";
            Err(WriteError::invalid(21211, message))
        }
        Some("app") => {
            let message = "To `app:` names an application, and applications are not built in this \
                           version of the gateway: call a SIP URI or a number";
            Err(WriteError::invalid(21218, message))
        }
        Some(_) | None => number(to).map(CallTarget::Number).ok_or_else(|| {
            if to.chars().any(char::is_alphabetic) {
                WriteError::invalid(21217, "To does not look like a phone number or a sip: URI")
            } else {
                WriteError::invalid(21211, "The 'To' number is not a valid phone number")
            }
        }),
    }
}

/// Turns `sips:` into `sip:` over TLS; such a URI may not name a transport of its own.
fn over_tls(sips: &str) -> String {
    let (uri, headers) = match sips.split_once('?') {
        Some((uri, headers)) => (uri, format!("?{headers}")),
        None => (sips, String::new()),
    };
    let is_transport =
        |part: &&str| part.split('=').next().is_some_and(|n| n.eq_ignore_ascii_case("transport"));
    let rest = uri.get(5..).unwrap_or_default();
    let rest: Vec<&str> = rest.split(';').filter(|part| !is_transport(part)).collect();
    format!("sip:{};transport=tls{headers}", rest.join(";"))
}

/// Checks a SIP URI for form. Control resolves it.
fn sip_target(to: &str) -> Result<CallTarget, WriteError> {
    let (uri, headers) = to.split_once('?').unwrap_or((to, ""));
    let invalid =
        |problem: &str| WriteError::invalid(21211, format!("To is not a valid SIP URI: {problem}"));
    if uri.chars().count() >= SIP_NOUN_URI_MAX {
        return Err(invalid("it has 255 or more characters"));
    }
    let forbidden = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"');
    if uri.chars().any(forbidden) {
        return Err(invalid("it holds blanks, quotes, angle brackets or control characters"));
    }
    let after_scheme = uri.get(4..).unwrap_or_default();
    let address = after_scheme.split(';').next().unwrap_or_default();
    let (user, host_port) = match address.rsplit_once('@') {
        Some((user, host_port)) => (Some(user), host_port),
        None => (None, address),
    };
    if user.is_some_and(str::is_empty) {
        return Err(invalid("its user part is empty"));
    }
    if !is_host_port(host_port) {
        return Err(invalid("its host is missing or malformed"));
    }
    check_headers(headers)?;
    Ok(CallTarget::Sip(format!("sip:{}", to.get(4..).unwrap_or_default())))
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn is_host_port(text: &str) -> bool {
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => match bracketed.split_once(']') {
            Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", rest),
            _ => return false,
        },
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let host_is_fine = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let port_is_fine = rest.is_empty()
        || rest
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    host_is_fine && port_is_fine
}

/// Checks the header part of a callee's URI: `X-One=1&X-Two=2`, percent-encoded once.
fn check_headers(part: &str) -> Result<(), WriteError> {
    if part.chars().count() >= SIP_NOUN_HEADERS_MAX {
        let message =
            format!("The header part of To must be shorter than {SIP_NOUN_HEADERS_MAX} characters");
        return Err(WriteError::invalid(21227, message));
    }
    for pair in part.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (percent_decode(name), percent_decode(value));
        let is_token = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b));
        if !is_token {
            return Err(WriteError::invalid(
                21228,
                "To holds a header with an illegal character in its name",
            ));
        }
        let lower = name.to_ascii_lowercase();
        let allowed = lower.starts_with("x-") && !lower.starts_with("x-twilio")
            || TARGET_HEADERS.iter().any(|header| header.eq_ignore_ascii_case(&name));
        if !allowed {
            let message = format!(
                "Header {name} cannot be set: only X- headers (not X-Twilio) and {} can",
                TARGET_HEADERS.join(", ")
            );
            return Err(WriteError::invalid(21228, message));
        }
        if value.chars().any(char::is_control) {
            let message = format!("Header {name} of To holds an illegal character in its value");
            return Err(WriteError::invalid(21229, message));
        }
    }
    Ok(())
}

/// Reads `From`: a user part where the callee is a SIP URI, a number where it is a number.
fn caller(to: &CallTarget, from: &str) -> Result<String, WriteError> {
    if from.is_empty() {
        return Err(WriteError::invalid(21213, "No 'From' number is specified"));
    }
    let invalid =
        |problem: &str| WriteError::invalid(21212, format!("From is not valid: {problem}"));
    match to {
        CallTarget::Sip(_) => {
            if let Some(number) = number(from) {
                return Ok(number);
            }
            if is_user_part(from) {
                return Ok(from.to_owned());
            }
            Err(invalid("towards SIP it is the user part alone: letters, digits, + - _ . and no @"))
        }
        CallTarget::Number(_) => {
            number(from).ok_or_else(|| invalid("towards a phone number it must be a phone number"))
        }
    }
}

/// Reads `CallerId`: a number, a user part or a SIP address.
fn caller_id(text: &str) -> Result<String, WriteError> {
    if let Some(number) = number(text) {
        return Ok(number);
    }
    let is_address = text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sip:"))
        && sip_target(text).is_ok();
    if is_address || is_user_part(text) {
        return Ok(text.to_owned());
    }
    Err(WriteError::invalid(
        21212,
        "CallerId must be a phone number, a user part or a sip: address",
    ))
}

fn is_user_part(text: &str) -> bool {
    text.len() < SIP_NOUN_URI_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'_' | b'.'))
}

/// A phone number, its punctuation removed: `+` and digits, or digits.
fn number(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.')).collect();
    let digits = kept.strip_prefix('+').unwrap_or(&kept);
    let fits = (1..=NUMBER_DIGITS_MAX).contains(&digits.len());
    (fits && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(kept)
}

fn send_digits(text: &str) -> Result<String, WriteError> {
    let is_key = |c: char| matches!(c, '0'..='9' | 'A'..='D' | 'a'..='d' | '*' | '#' | 'w' | 'W');
    if text.len() > SEND_DIGITS_MAX || !text.chars().all(is_key) {
        let message = format!(
            "SendDigits may have at most {SEND_DIGITS_MAX} characters of 0-9, A-D, *, #, w and W"
        );
        return Err(WriteError::invalid(21206, message));
    }
    Ok(text.to_owned())
}

/// Reads a list of events. Ignores unknown ones: [`unknown_events`] warns about them.
fn call_events(form: &Form) -> CallEvents {
    let mut events = CallEvents::NONE;
    for word in form.words("StatusCallbackEvent") {
        match word {
            "initiated" => events.initiated = true,
            "ringing" => events.ringing = true,
            "answered" => events.answered = true,
            "completed" => events.completed = true,
            _ => {}
        }
    }
    if events == CallEvents::NONE { CallEvents::COMPLETED } else { events }
}

fn record(form: &Form) -> Result<Option<RecordCall>, WriteError> {
    // Checked also where nothing is recorded: a wrong word is a mistake either way.
    let parameters = recording_parameters(form, true)?;
    Ok(form.boolean("Record")?.unwrap_or(false).then_some(parameters))
}

fn recording_parameters(form: &Form, trims: bool) -> Result<RecordCall, WriteError> {
    let channels = [("mono", false), ("dual", true)];
    let tracks = [
        ("inbound", RecordingTrack::Inbound),
        ("outbound", RecordingTrack::Outbound),
        ("both", RecordingTrack::Both),
    ];
    let trim = [("trim-silence", true), ("do-not-trim", false)];
    let callback = webhook(form, "RecordingStatusCallback", "RecordingStatusCallbackMethod")?;
    Ok(RecordCall {
        dual_channel: form.one_of("RecordingChannels", &channels)?.unwrap_or(false),
        track: form.one_of("RecordingTrack", &tracks)?.unwrap_or_default(),
        trim_silence: form.one_of("Trim", &trim)?.unwrap_or(trims),
        callback,
        callback_events: recording_events(form),
    })
}

fn recording_events(form: &Form) -> RecordingEvents {
    let mut events = RecordingEvents::NONE;
    for word in form.words("RecordingStatusCallbackEvent") {
        match word {
            "in-progress" => events.in_progress = true,
            "completed" => events.completed = true,
            "absent" => events.absent = true,
            _ => {}
        }
    }
    if events == RecordingEvents::NONE { RecordingEvents::COMPLETED } else { events }
}

fn sip_auth(form: &Form) -> Result<Option<SipAuth>, WriteError> {
    let username = form.value("SipAuthUsername");
    let password = form.value("SipAuthPassword");
    check_sip_auth("SipAuthUsername", username, (21221, 21222))?;
    check_sip_auth("SipAuthPassword", password, (21223, 21224))?;
    match (username, password) {
        (Some(username), Some(password)) => {
            Ok(Some(SipAuth { username: username.to_owned(), password: Secret::new(password) }))
        }
        (Some(_), None) => {
            Err(WriteError::invalid(21225, "SipAuthUsername needs a SipAuthPassword"))
        }
        (None, _) => Ok(None),
    }
}

fn check_sip_auth(
    name: &str,
    value: Option<&str>,
    (too_long, illegal): (u32, u32),
) -> Result<(), WriteError> {
    let value = value.unwrap_or_default();
    if value.chars().count() > SIP_AUTH_CHARACTERS_MAX {
        let message = format!("{name} may have at most {SIP_AUTH_CHARACTERS_MAX} characters");
        return Err(WriteError::invalid(too_long, message));
    }
    if value.chars().any(char::is_control) {
        return Err(WriteError::invalid(illegal, format!("{name} holds an illegal character")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: [(&str, &str); 3] =
        [("To", "sip:bob@pbx.example"), ("From", "alice"), ("Url", "https://app.example/v")];

    /// The base request with some parameters replaced or added.
    fn with(changes: &[(&str, &str)]) -> Result<CreateCall, u32> {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in BASE {
            if !changes.iter().any(|(changed, _)| *changed == name) {
                body.append_pair(name, value);
            }
        }
        body.extend_pairs(changes);
        let form = Form::parse(body.finish().as_bytes());
        create(AccountSid(1), &form).map_err(|error| error.code)
    }

    #[test]
    fn sips_is_sip_over_tls() {
        let target = |to: &str| match with(&[("To", to)]).map(|call| call.to) {
            Ok(CallTarget::Sip(uri)) => uri,
            other => panic!("{other:?}"),
        };
        assert_eq!(target("sips:bob@host"), "sip:bob@host;transport=tls");
        assert_eq!(
            target("sips:bob@host:5071;transport=tcp?X-A=1"),
            "sip:bob@host:5071;transport=tls?X-A=1"
        );
    }

    #[test]
    fn what_has_no_effect_is_named_and_the_call_is_made() {
        let warned = |changes: &[(&str, &str)]| {
            let warnings = with(changes).unwrap().warnings;
            warnings.into_iter().map(|warning| (warning.code, warning.sentence)).next()
        };
        let (code, sentence) = warned(&[("AsyncAmd", "true")]).unwrap();
        assert_eq!(code, Code::ASYNC_AMD_CALLBACK);
        assert!(sentence.starts_with("AsyncAmd without effect"), "{sentence}");
        let callback = ("AsyncAmdStatusCallback", "https://app.example/amd");
        assert_eq!(warned(&[("AsyncAmd", "true"), callback]).unwrap().0, Code::MACHINE_DETECTION);
        assert_eq!(warned(&[("MachineDetectionTimeout", "5")]).unwrap().0, Code::MACHINE_DETECTION);
        assert_eq!(warned(&[("AsyncAmd", "false")]), None);
        let (code, sentence) = warned(&[("StatusCallbackEvent", "answered hungup")]).unwrap();
        assert!(code == Code::EVENT_UNKNOWN && sentence.starts_with("`hungup`"), "{sentence}");
        assert_eq!(warned(&[("MachineDetection", "Enable"), ("SendDigits", "1")]), None);
    }

    #[test]
    fn each_bad_parameter_of_a_call_has_its_code() {
        let (long_uri, long_headers) =
            (format!("sip:{}@h", "x".repeat(255)), format!("sip:b@h?X-A={}", "x".repeat(1_024)));
        let (long, many) = ("x".repeat(256), "x".repeat(4_001));
        let cases: &[(&[(&str, &str)], u32)] = &[
            (&[("To", "")], 21201),
            (&[("From", "")], 21213),
            (&[("To", "sip:")], 21211),
            (&[("To", "sip:bob@")], 21211),
            (&[("To", "sip:@host")], 21211),
            (&[("To", "sip:bob@host:99999")], 21211),
            (&[("To", "sip:bob@[::1")], 21211),
            (&[("To", "sip:bob@ho st")], 21211),
            (&[("To", "sip:bob@host\r\nX: y")], 21211),
            (&[("To", "client:joe")], 21211),
            (&[("To", "app:AP00000000000000000000000000000001")], 21218),
            (&[("To", "bob")], 21217),
            (&[("To", "+")], 21211),
            (&[("To", "+1234567890123456")], 21211),
            (&[("To", &long_uri)], 21211),
            (&[("To", &long_headers)], 21227),
            (&[("To", "sip:b@h?X%20A=1")], 21228),
            (&[("To", "sip:b@h?From=1")], 21228),
            (&[("To", "sip:b@h?X-Twilio-CallSid=1")], 21228),
            (&[("To", "sip:b@h?X-A=a%0d%0aB:c")], 21229),
            (&[("From", "alice@example.com")], 21212),
            (&[("From", "a b")], 21212),
            (&[("To", "+15005550006")], 21212),
            (&[("CallerId", "a b")], 21212),
            (&[("Url", "ftp://x")], 21205),
            (&[("Url", "")], 21205),
            (&[("Url", ""), ("Twiml", &many)], 20422),
            (&[("ApplicationSid", "AP00000000000000000000000000000001")], 21218),
            (&[("Byoc", "BY1")], 21300),
            (&[("MachineDetection", "Enable")], 21234),
            (&[("Method", "PUT")], 21209),
            (&[("StatusCallbackMethod", "X")], 21209),
            (&[("StatusCallback", "http://my_host.example/x")], 21205),
            (&[("StatusCallback", "x")], 21205),
            (&[("FallbackUrl", "x")], 21205),
            (&[("SendDigits", "12x")], 21206),
            (&[("SendDigits", "123456789012345678901234567890123")], 21206),
            (&[("Timeout", "0")], 21208),
            (&[("Timeout", "601")], 21208),
            (&[("Timeout", "soon")], 21208),
            (&[("TimeLimit", "86401")], 20422),
            (&[("RecordingChannels", "quad")], 20422),
            (&[("Record", "maybe")], 20422),
            (&[("SipAuthUsername", &long), ("SipAuthPassword", "p")], 21221),
            (&[("SipAuthUsername", "a\u{1}"), ("SipAuthPassword", "p")], 21222),
            (&[("SipAuthUsername", "a"), ("SipAuthPassword", &long)], 21223),
            (&[("SipAuthUsername", "a"), ("SipAuthPassword", "\n")], 21224),
            (&[("SipAuthUsername", "a")], 21225),
        ];
        for (changes, code) in cases {
            assert_eq!(with(changes).err(), Some(*code), "{changes:?}");
        }
    }

    #[test]
    fn a_plain_call_gets_the_contracts_defaults() {
        let call = with(&[]).unwrap();
        assert_eq!(call.to, CallTarget::Sip("sip:bob@pbx.example".to_owned()));
        assert_eq!((call.timeout_s, call.time_limit_s), (60, 14_400));
        assert_eq!(call.status_callback_events, CallEvents::COMPLETED);
        assert_eq!((call.record, call.sip_auth, call.send_digits), (None, None, None));
        let url = "https://app.example/v".to_owned();
        assert_eq!(call.twiml, TwimlSource::Url(Webhook { url, method: HttpMethod::Post }));
    }

    #[test]
    fn what_sdks_send_beyond_the_contract_is_passed_over() {
        let extra = [("Passports", "x"), ("RecordingConfigurationId", "y"), ("Nonsense", "z")];
        assert_eq!(with(&extra), with(&[]));
    }

    #[test]
    fn targets_are_kept_with_parameters_and_headers() {
        let uri =
            "sip:bob@[2001:db8::1]:5080;transport=tls;edge=frankfurt?X-A=1%202&User-to-User=zz";
        assert_eq!(with(&[("To", uri)]).unwrap().to.as_str(), uri);
        let number = with(&[("To", "+1 (500) 555-0006"), ("From", "5551234")]).unwrap();
        assert_eq!(number.to, CallTarget::Number("+15005550006".to_owned()));
    }

    #[test]
    fn recording_and_events_are_read_in_both_list_forms() {
        let call = with(&[
            ("Record", "TRUE"),
            ("RecordingChannels", "dual"),
            ("RecordingStatusCallback", "http://a.example/r"),
            ("RecordingStatusCallbackEvent", "in-progress completed"),
            ("StatusCallbackEvent", "initiated"),
            ("StatusCallbackEvent", "answered ringing"),
        ])
        .unwrap();
        let record = call.record.unwrap();
        assert!(record.dual_channel && record.trim_silence && record.callback_events.in_progress);
        let events = call.status_callback_events;
        assert!(events.initiated && events.answered && events.ringing && !events.completed);
        let started = start_recording(&Form::default()).unwrap();
        assert!(!started.trim_silence && !started.dual_channel);
    }

    #[test]
    fn an_update_ends_redirects_or_only_changes_settings() {
        let read = |body: &str| {
            update(AccountSid(1), CallSid(2), &Form::parse(body.as_bytes()))
                .map_err(|error| error.code)
        };
        assert_eq!(read("Status=completed").unwrap().action, Some(UpdateAction::Complete));
        assert_eq!(
            read("Status=canceled&Url=http://a/").unwrap().action,
            Some(UpdateAction::Cancel)
        );
        assert_eq!(read("Status=busy").unwrap_err(), 20422);
        assert_eq!(read("StatusCallback=http://my_host/").unwrap_err(), 21205);
        assert_eq!(read("Url=http://a/&Twiml=%3CResponse/%3E").unwrap_err(), 21205);
        assert!(matches!(
            read("Twiml=%3CResponse/%3E").unwrap().action,
            Some(UpdateAction::Redirect { twiml: TwimlSource::Inline(_), .. })
        ));
        let settings = read("StatusCallback=&TimeLimit=10").unwrap();
        assert_eq!((settings.action, settings.status_callback), (None, Patch::Clear));
        assert_eq!(settings.time_limit_s, Some(10));
    }
}
