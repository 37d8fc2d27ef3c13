//! Recordings, notifications, alerts and HTTP exchanges.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::{Code, ConferenceSid, NotificationSid, RecordingSid};
use store::{
    CallCommand, CallStatus, Change, HttpExchange, HttpMessages, HttpMethod, NotificationLevel,
    NotificationRecord, RecordingRecord, RecordingSource, RecordingStatus,
};

use super::{DATE, House, MAIN, ORIGIN, T0, account_path, call, recording};
use crate::{AudioForm, Method, Step};

#[test]
fn a_recording_is_metadata_and_audio_under_one_path() {
    let mut house = House::new();
    house.commit(Change::PutCall(Arc::new(call(1, CallStatus::Completed))));
    let (mono, dual) =
        (recording(RecordingStatus::Completed, 1), recording(RecordingStatus::Completed, 2));
    for row in [&mono, &dual] {
        house.commit(Change::PutRecording(Arc::new(row.clone())));
    }
    let path = account_path(&format!("/Recordings/{}", mono.sid));
    let answer = house.get(&format!("{path}.json"));
    assert_eq!(
        answer.body,
        json!({
            "sid": mono.sid.to_string(), "account_sid": MAIN.to_string(),
            "api_version": "2010-04-01", "call_sid": mono.call.to_string(),
            "conference_sid": null, "status": "completed", "source": "RecordVerb", "channels": 1,
            "duration": "12", "start_time": DATE, "price": null, "price_unit": "USD",
            "error_code": null, "encryption_details": null,
            "date_created": DATE, "date_updated": DATE, "uri": format!("{path}.json"),
            "media_url": format!("http://gw.example:8080{path}"), "subresource_uris": {"transcriptions": format!("{path}/Transcriptions.json")},
        })
    );
    for suffix in ["", ".wav"] {
        let step = house.step(Method::Get, &format!("{path}{suffix}"), "");
        assert!(
            matches!(&step, Step::RecordingMedia { recording, two_channels: false, .. } if **recording == mono),
            "{step:?}"
        );
    }
    let two = "RequestedChannels=2";
    assert_eq!(house.request(Method::Get, &path, two).code(), 16113);
    let dual_path = account_path(&format!("/Recordings/{}.wav", dual.sid));
    let step = house.step(Method::Get, &dual_path, two);
    assert!(matches!(step, Step::RecordingMedia { two_channels: true, .. }));
    let step = house.step(Method::Get, &format!("{path}.mp3"), "");
    assert!(matches!(step, Step::RecordingMedia { form: AudioForm::Mp3, .. }), "{step:?}");

    let of_call = account_path(&format!("/Calls/{}/Recordings.json", mono.call));
    let listed = house.get(&of_call).body["recordings"].clone();
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["track"]),
        (2, &Value::from("inbound"))
    );
    assert_eq!(house.post(&account_path("/Recordings.json"), "").code(), 20004);
    let of_conference = RecordingRecord {
        sid: RecordingSid(3),
        conference: Some(ConferenceSid(4)),
        source: RecordingSource::Conference,
        ..mono.clone()
    };
    house.commit(Change::PutRecording(Arc::new(of_conference.clone())));
    let listed = house.get(&of_call).body["recordings"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2, "without that of a conference: {listed}");
    let below_call = of_call.replace(".json", &format!("/{}.json", of_conference.sid));
    assert_eq!(house.get(&below_call).code(), 20404);
    let all = house.get(&account_path("/Recordings.json")).body["recordings"].clone();
    assert_eq!(all.as_array().unwrap().len(), 3);
    let current = account_path(&format!("/Calls/{}/Recordings/Twilio.CURRENT.json", mono.call));
    let step = house.step(Method::Post, &current, "Status=paused");
    assert!(matches!(
        step,
        Step::Call { command: CallCommand::UpdateRecording { recording: None, .. }, .. }
    ));
    assert_eq!(house.post(&current, "").code(), 20422);

    assert_eq!(house.delete(&format!("{path}.json")).status, 204);
    assert_eq!(house.get(&format!("{path}.json")).code(), 20404);
    assert_eq!(house.get(&path).code(), 20404);
    let soft = house.get(&format!("{path}.json?IncludeSoftDeleted=true"));
    assert_eq!(soft.body["status"], "deleted");
    assert_eq!(house.delete(&format!("{path}.json")).code(), 20404);
}

#[test]
fn a_sealed_recording_says_what_opens_it_and_has_one_form() {
    let mut house = House::new();
    let encryption = shared::EncryptionDetails {
        public_key: shared::PublicKeySid(7),
        iv: "8I2hhNIYNTrwxfHk".to_owned(),
        encrypted_cek: "OV4h".to_owned(),
    };
    let row = RecordingRecord {
        encryption: Some(encryption),
        ..recording(RecordingStatus::Completed, 2)
    };
    house.commit(Change::PutRecording(Arc::new(row.clone())));
    let path = account_path(&format!("/Recordings/{}", row.sid));
    let details = json!({
        "public_key_sid": "CR00000000000000000000000000000007", "type": "rsa-aes",
        "encrypted_cek": "OV4h", "iv": "8I2hhNIYNTrwxfHk",
    });
    assert_eq!(house.get(&format!("{path}.json")).body["encryption_details"], details);
    for query in ["", "RequestedChannels=2"] {
        let step = house.step(Method::Get, &path, query);
        assert!(matches!(step, Step::RecordingMedia { form: AudioForm::Wav, .. }), "{step:?}");
    }
    let mp3 = house.get(&format!("{path}.mp3"));
    assert_eq!((mp3.status, mp3.code()), (406, 20406));
    let mixed = house.request(Method::Get, &path, "RequestedChannels=1");
    assert_eq!((mixed.status, mixed.code()), (400, 16113));
}

#[test]
fn one_store_feeds_notifications_alerts_and_events() {
    let mut house = House::new();
    let sid = call(1, CallStatus::Completed).sid;
    house.commit(Change::PutCall(Arc::new(call(1, CallStatus::Completed))));
    let note = NotificationRecord {
        sid: NotificationSid::mint(T0, ORIGIN, 1),
        account: MAIN,
        call: Some(sid),
        level: NotificationLevel::Error,
        error_code: Code::HTTP_RETRIEVAL,
        message: "Got HTTP 404 & more".to_owned(),
        exchange: Some(HttpMessages {
            method: HttpMethod::Post,
            url: "http://app.example/v".to_owned(),
            request_variables: "CallSid=CA1".to_owned(),
            response_headers: "Server: x".to_owned(),
            response_body: "gone".to_owned(),
        }),
        created_ms: T0,
    };
    house.commit(Change::AddNotification(Arc::new(note.clone())));
    house.commit(Change::AddExchange(Arc::new(HttpExchange {
        id: 1,
        account: MAIN,
        call: sid,
        method: HttpMethod::Post,
        url: "http://app.example/v".to_owned(),
        parameters: vec![("CallSid".to_owned(), sid.to_string())],
        response_code: Some(404),
        request_duration_ms: 50,
        content_type: "text/html".to_owned(),
        response_body: "gone".to_owned(),
        created_ms: T0,
    })));
    let base = account_path(&format!("/Calls/{sid}"));
    let list = house.get(&format!("{base}/Notifications.json?Log=0")).body;
    let mut expected = json!({
        "sid": note.sid.to_string(), "account_sid": MAIN.to_string(), "call_sid": sid.to_string(),
        "api_version": "2010-04-01", "log": "0", "error_code": "11200",
        "more_info": "https://www.twilio.com/docs/errors/11200",
        "message_text": "Got HTTP 404 & more", "message_date": DATE, "request_method": "POST",
        "request_url": "http://app.example/v", "date_created": DATE, "date_updated": DATE,
        "uri": account_path(&format!("/Notifications/{}.json", note.sid)),
    });
    assert_eq!(list["notifications"], json!([expected]));
    expected["request_variables"] = json!("CallSid=CA1");
    expected["response_headers"] = json!("Server: x");
    expected["response_body"] = json!("gone");
    let path = account_path(&format!("/Notifications/{}.json", note.sid));
    assert_eq!(house.get(&path).body, expected);
    let warnings = house.get(&account_path("/Notifications.json?Log=1")).body;
    assert_eq!(warnings["notifications"], json!([]));

    let alerts = house.get("/v1/Alerts?LogLevel=error&PageSize=20").body;
    let meta = "http://gw.example:8080/v1/Alerts?LogLevel=error&PageSize=20&Page=0";
    assert_eq!(
        alerts["meta"],
        json!({
            "key": "alerts", "page": 0, "page_size": 20, "url": meta, "first_page_url": meta,
            "next_page_url": null, "previous_page_url": null,
        })
    );
    let alert = &alerts["alerts"][0];
    assert_eq!(alert["alert_text"], "Msg=Got+HTTP+404+%26+more&ErrorCode=11200&LogLevel=ERROR");
    assert_eq!(alert["date_created"], "2025-01-06T09:00:00Z");
    assert_eq!(alert["error_code"], "11200");
    assert_eq!(alert["resource_sid"], json!(sid.to_string()));
    let whole = house.get(&format!("/v1/Alerts/{}", note.sid)).body;
    assert_eq!(whole["response_body"], "gone");
    assert_eq!(house.get("/v1/Alerts?LogLevel=debug").body["alerts"], json!([]));

    let events = house.get(&format!("{base}/Events.json")).body;
    assert_eq!(
        events["events"],
        json!([{
            "request": {
                "method": "POST", "url": "http://app.example/v",
                "parameters": {"CallSid": sid.to_string()},
            },
            "response": {
                "response_code": 404, "request_duration": 50, "content_type": "text/html",
                "response_body": "gone", "date_created": DATE,
            },
        }])
    );
}

#[test]
fn a_transcript_lies_beside_its_recording_and_in_the_list_of_the_account() {
    let mut house = House::new();
    let row = RecordingRecord {
        transcript: Some(super::transcript()),
        ..recording(RecordingStatus::Completed, 1)
    };
    house.commit(Change::PutRecording(Arc::new(row.clone())));
    house.commit(Change::PutRecording(Arc::new(recording(RecordingStatus::Completed, 2))));
    let sid = store::Transcript::sid(row.sid);
    let fetched = house.get(&account_path(&format!("/Transcriptions/{sid}.json")));
    assert_eq!(
        fetched.body,
        json!({
            "sid": sid.to_string(), "account_sid": MAIN.to_string(), "api_version": "2010-04-01",
            "recording_sid": row.sid.to_string(), "status": "completed",
            "transcription_text": "hello world", "type": "fast", "duration": "7",
            "price": null, "price_unit": "USD", "date_created": DATE, "date_updated": DATE,
            "uri": account_path(&format!("/Transcriptions/{sid}.json")),
        })
    );
    for list in
        ["/Transcriptions.json".to_owned(), format!("/Recordings/{}/Transcriptions.json", row.sid)]
    {
        let rows = house.get(&account_path(&list)).body["transcriptions"].clone();
        assert_eq!(rows, json!([fetched.body]), "{list}");
    }
    let other = account_path(&format!("/Recordings/RE{:032x}/Transcriptions/{sid}.json", 2));
    assert_eq!(house.get(&other).status, 404);
    let path = account_path(&format!("/Transcriptions/{sid}.json"));
    assert_eq!(house.delete(&path).status, 204);
    assert_eq!(house.get(&path).code(), 20404);
    let recording = account_path(&format!("/Recordings/{}.json", row.sid));
    assert_eq!(house.get(&recording).body["status"], "completed");
}
