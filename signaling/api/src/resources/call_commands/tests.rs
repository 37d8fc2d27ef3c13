//! Every parameter of `POST Calls` and `POST Calls/{sid}`: its default, its forms, its code.

use shared::Code;
use store::CallTarget;

use super::*;

const BASE: [(&str, &str); 3] =
    [("To", "sip:bob@pbx.example"), ("From", "alice"), ("Url", "https://app.example/v")];

/// The base request with some parameters replaced or added.
fn with(changes: &[(&str, &str)]) -> Result<CreateCall, Code> {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in BASE {
        if !changes.iter().any(|(changed, _)| *changed == name) {
            body.append_pair(name, value);
        }
    }
    body.extend_pairs(changes);
    let form = Form::parse(body.finish().as_bytes());
    create(AccountSid(1), &form, None).map_err(|error| error.code)
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
    let long_parameters = format!("app:AP{}?a={}", "0".repeat(32), "x".repeat(1_024));
    let (long, many) = ("x".repeat(256), "x".repeat(4_001));
    let cases: &[(&[(&str, &str)], Code)] = &[
        (&[("To", "")], Code::TO_MISSING),
        (&[("From", "")], Code::FROM_MISSING),
        (&[("To", "sip:")], Code::TO_INVALID),
        (&[("To", "sip:bob@")], Code::TO_INVALID),
        (&[("To", "sip:@host")], Code::TO_INVALID),
        (&[("To", "sip:bob@host:99999")], Code::TO_INVALID),
        (&[("To", "sip:bob@[::1")], Code::TO_INVALID),
        (&[("To", "sip:bob@ho st")], Code::TO_INVALID),
        (&[("To", "sip:bob@host\r\nX: y")], Code::TO_INVALID),
        (&[("To", "client:joe doe")], Code::TO_INVALID),
        (&[("To", "app:bob")], Code::APPLICATION_SID),
        (&[("To", &long_parameters)], Code::TO_INVALID),
        (&[("To", "bob")], Code::TO_NOT_A_NUMBER),
        (&[("To", "+")], Code::TO_INVALID),
        (&[("To", "+1234567890123456")], Code::TO_INVALID),
        (&[("To", &long_uri)], Code::TO_INVALID),
        (&[("To", &long_headers)], Code::SIP_HEADER_PART_LENGTH),
        (&[("To", "sip:b@h?X%20A=1")], Code::SIP_HEADER_NAME_ILLEGAL),
        (&[("To", "sip:b@h?From=1")], Code::SIP_HEADER_NAME_ILLEGAL),
        (&[("To", "sip:b@h?X-Twilio-CallSid=1")], Code::SIP_HEADER_NAME_ILLEGAL),
        (&[("To", "sip:b@h?X-A=a%0d%0aB:c")], Code::SIP_HEADER_VALUE_ILLEGAL),
        (&[("From", "alice@example.com")], Code::FROM_INVALID),
        (&[("From", "a b")], Code::FROM_INVALID),
        (&[("To", "+15005550006")], Code::FROM_INVALID),
        (&[("CallerId", "a b")], Code::FROM_INVALID),
        (&[("Url", "ftp://x")], Code::URL_NOT_ABSOLUTE),
        (&[("Url", "")], Code::URL_NOT_ABSOLUTE),
        (&[("Url", ""), ("Twiml", &many)], Code::INVALID_PARAMETER),
        (&[("Byoc", "BY1")], Code::BYOC_TRUNK_SID),
        (&[("MachineDetection", "Perhaps")], Code::MACHINE_DETECTION),
        (&[("Method", "PUT")], Code::METHOD),
        (&[("StatusCallbackMethod", "X")], Code::METHOD),
        (&[("StatusCallback", "http://my_host.example/x")], Code::URL_NOT_ABSOLUTE),
        (&[("StatusCallback", "x")], Code::URL_NOT_ABSOLUTE),
        (&[("FallbackUrl", "x")], Code::URL_NOT_ABSOLUTE),
        (&[("SendDigits", "12x")], Code::SEND_DIGITS),
        (&[("SendDigits", "123456789012345678901234567890123")], Code::SEND_DIGITS),
        (&[("Timeout", "0")], Code::TIMEOUT),
        (&[("Timeout", "601")], Code::TIMEOUT),
        (&[("Timeout", "soon")], Code::TIMEOUT),
        (&[("TimeLimit", "86401")], Code::INVALID_PARAMETER),
        (&[("RecordingChannels", "quad")], Code::INVALID_PARAMETER),
        (&[("Record", "maybe")], Code::INVALID_PARAMETER),
        (&[("SipAuthUsername", &long), ("SipAuthPassword", "p")], Code::SIP_USERNAME_LENGTH),
        (&[("SipAuthUsername", "a\u{1}"), ("SipAuthPassword", "p")], Code::SIP_USERNAME),
        (&[("SipAuthUsername", "a"), ("SipAuthPassword", &long)], Code::SIP_PASSWORD_LENGTH),
        (&[("SipAuthUsername", "a"), ("SipAuthPassword", "\n")], Code::SIP_PASSWORD),
        (&[("SipAuthUsername", "a")], Code::SIP_USERNAME_ALONE),
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
    let uri = "sip:bob@[2001:db8::1]:5080;transport=tls;edge=frankfurt?X-A=1%202&User-to-User=zz";
    assert_eq!(with(&[("To", uri)]).unwrap().to, CallTarget::Sip(uri.to_owned()));
    let app = "app:AP0000000000000000000000000000000A?name=J%20D&empty=&&x=1";
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let parameters = vec![pair("name", "J D"), pair("empty", ""), pair("x", "1")];
    let sid = shared::ApplicationSid(10);
    let to = with(&[("To", app), ("From", "front-desk")]).unwrap().to;
    assert_eq!(to, CallTarget::Application { sid, parameters });
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
        update(AccountSid(1), CallSid(2), &Form::parse(body.as_bytes())).map_err(|error| error.code)
    };
    assert_eq!(read("Status=completed").unwrap().action, Some(UpdateAction::Complete));
    assert_eq!(read("Status=canceled&Url=http://a/").unwrap().action, Some(UpdateAction::Cancel));
    assert_eq!(read("Status=busy").unwrap_err(), Code::INVALID_PARAMETER);
    assert_eq!(read("StatusCallback=http://my_host/").unwrap_err(), Code::URL_NOT_ABSOLUTE);
    assert_eq!(read("Url=http://a/&Twiml=%3CResponse/%3E").unwrap_err(), Code::URL_NOT_ABSOLUTE);
    assert!(matches!(
        read("Twiml=%3CResponse/%3E").unwrap().action,
        Some(UpdateAction::Redirect { twiml: TwimlSource::Inline(_), .. })
    ));
    let settings = read("StatusCallback=&TimeLimit=10").unwrap();
    assert_eq!((settings.action, settings.status_callback), (None, Patch::Clear));
    assert_eq!(settings.time_limit_s, Some(10));
}
