//! Every parameter of `POST Calls` and `POST Calls/{sid}`: its default, its forms, its code.

use shared::Code;
use store::CallTarget;

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
    let uri = "sip:bob@[2001:db8::1]:5080;transport=tls;edge=frankfurt?X-A=1%202&User-to-User=zz";
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
        update(AccountSid(1), CallSid(2), &Form::parse(body.as_bytes())).map_err(|error| error.code)
    };
    assert_eq!(read("Status=completed").unwrap().action, Some(UpdateAction::Complete));
    assert_eq!(read("Status=canceled&Url=http://a/").unwrap().action, Some(UpdateAction::Cancel));
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
