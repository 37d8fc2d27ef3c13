//! A contact centre's day with one call, by phones and SDKs that others wrote: queue, agent, coach, hold, a conference
//! of other phones. Every leg is recorded in two channels, and the callbacks come in order.

use crate::application::{Answer, Asked};
use crate::baresip::Baresip;
use crate::conference::{Hall, Singer};
use crate::gateway::Gateway;
use crate::phone::Caller;
use crate::tones::{self, ALICE, BOB, CAROL};
use crate::{sdk, wait, wav};

/// A recording of two channels that tells `/recorded` of its begin and end.
const RECORDED: &str = "<Start><Recording channels=\"dual\" trim=\"do-not-trim\" recordingStatusCallback=\"/recorded\" \
                        recordingStatusCallbackEvent=\"in-progress completed\"/></Start>";

/// A stay in the conference of this name, of which `/events` hears.
fn conference(name: &str, more: &str) -> String {
    format!(
        "<Dial action=\"/after\"><Conference beep=\"false\" {more} statusCallback=\"/events\" \
         statusCallbackEvent=\"start end join leave hold modify\">{name}</Conference></Dial>"
    )
}

fn serve(asked: &Asked) -> Answer {
    match asked.path.as_str() {
        // Out of the queue: where the agent goes.
        "/left" => Answer::twiml(&conference("case", "participantLabel=\"customer\"")),
        _ => Answer::status(204),
    }
}

/// The events of a conference so far, each with the label or the last letters of the call that it is about.
fn events(hall: &Hall, conference: &str) -> Vec<String> {
    let asked = hall.application.asked();
    let of_it = asked.iter().filter(|asked| {
        asked.path == "/events" && asked.parameter("FriendlyName") == Some(conference)
    });
    of_it
        .map(|asked| {
            let event = asked.parameter("StatusCallbackEvent").expect("an event");
            match asked.parameter("ParticipantLabel") {
                Some(label) => format!("{event} {label}"),
                None => event.to_owned(),
            }
        })
        .collect()
}

/// The two channels of a recording: what its party said, and what it heard.
fn channels(gateway: &Gateway, recording: &str) -> [Vec<i16>; 2] {
    let reply = gateway.fetch(&format!("Recordings/{recording}.wav?RequestedChannels=2"));
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let samples = wav::samples(&reply.body);
    let channel = |at: usize| samples.iter().skip(at).step_by(2).copied().collect();
    [channel(0), channel(1)]
}

/// The recording of a call, once its callbacks have come: begin, then end.
fn recording(hall: &Hall, call: &str) -> String {
    let of_call =
        |asked: &Asked| asked.path == "/recorded" && asked.parameter("CallSid") == Some(call);
    hall.application.wait_for("a finished recording", |asked| {
        of_call(asked) && asked.parameter("RecordingStatus") == Some("completed")
    });
    let asked = hall.application.asked();
    let told: Vec<&Asked> = asked.iter().filter(|asked| of_call(asked)).collect();
    let statuses: Vec<&str> =
        told.iter().filter_map(|asked| asked.parameter("RecordingStatus")).collect();
    assert_eq!(statuses, ["in-progress", "completed"], "{call}");
    assert!(
        told.iter().all(|asked| asked.parameter("RecordingChannels") == Some("2")),
        "{told:#?}"
    );
    told[0].parameter("RecordingSid").expect("a SID").to_owned()
}

/// Windows of a channel that hold exactly these parties.
fn count(channel: &[i16], parties: &[u32]) -> usize {
    tones::count(&tones::windows(channel, 8_000), parties)
}

#[test]
fn a_caller_is_queued_served_coached_held_and_moved_to_a_conference_of_other_phones() {
    let hall = Hall::open(
        Gateway::start_with_srtp("desk"),
        |name, _| match name {
            "support" => format!("{RECORDED}<Enqueue action=\"/left\">support</Enqueue>"),
            _ => {
                RECORDED.to_owned()
                    + &conference("experts", &format!("participantLabel=\"{name}\""))
            }
        },
        serve,
    );
    let customer = Singer::call(&hall, "support", ALICE);
    customer.wait_to_hear_music();
    let sid = hall.sid("support");

    // The agent takes the call that waits.
    let (uri, agent) = Singer::answering(BOB);
    let recorded = hall.application.url("/recorded");
    let agent_sid = sdk::python(
        &hall.gateway,
        &format!(
            "queue, = client.queues.list()\n\
             assert (queue.friendly_name, queue.current_size) == ('support', 1), queue._properties\n\
             agent = client.calls.create(to='{uri}', from_='desk', record=True, recording_channels='dual',\n\
             \x20   trim='do-not-trim', recording_status_callback='{recorded}',\n\
             \x20   recording_status_callback_event=['in-progress', 'completed'],\n\
             \x20   twiml='<Response><Dial><Queue>support</Queue></Dial></Response>')\n\
             print(agent.sid)\n"
        ),
    );
    let agent_sid = agent_sid.trim();
    customer.wait_to_hear(&[BOB]);
    agent.wait_to_hear(&[ALICE]);

    // Both go to a conference: the agent by REST, the customer by the action of its queue.
    let document = conference("case", "participantLabel=\"agent\"").replace('"', "\\\"");
    let document = document.replace("=\\\"/", &format!("=\\\"{}/", hall.application.url("")));
    sdk::node(
        &hall.gateway,
        &format!(
            "await client.calls('{agent_sid}').update({{twiml: \"<Response>{document}</Response>\"}});"
        ),
    );
    let left = hall.application.wait_for_path("/left");
    assert_eq!(left.parameter("QueueResult"), Some("bridged"));
    customer.wait_to_hear(&[BOB]);
    agent.wait_to_hear(&[ALICE]);

    // The supervisor is heard by the agent alone.
    let (uri, supervisor) = Singer::answering(CAROL);
    let supervisor_sid = sdk::python(
        &hall.gateway,
        &format!(
            "placed = client.conferences('case').participants.create(to='{uri}', from_='desk', label='boss',\n\
             \x20   beep='false', coaching=True, call_sid_to_coach='{agent_sid}', record=True,\n\
             \x20   recording_channels='dual', trim='do-not-trim', recording_status_callback='{recorded}',\n\
             \x20   recording_status_callback_event=['in-progress', 'completed'])\n\
             print(placed.call_sid)\n"
        ),
    );
    agent.wait_to_hear(&[ALICE, CAROL]);
    customer.wait_to_hear(&[BOB]);
    supervisor.wait_to_hear(&[ALICE, BOB]);

    // Held, the customer hears music, and nobody hears the customer.
    sdk::python(
        &hall.gateway,
        "client.conferences('case').participants('customer').update(hold=True)",
    );
    customer.wait_to_hear_music();
    agent.wait_to_hear(&[CAROL]);

    // Moved, the customer meets a phone over another codec and one with SRTP.
    let document = conference("experts", "participantLabel=\"customer\"").replace('"', "\\\"");
    let document = document.replace("=\\\"/", &format!("=\\\"{}/", hall.application.url("")));
    sdk::node(
        &hall.gateway,
        &format!(
            "await client.calls('{sid}').update({{twiml: \"<Response>{document}</Response>\"}});"
        ),
    );
    let folder = tempfile::tempdir().expect("a temporary folder");
    let says = folder.path().join("says.wav");
    std::fs::write(&says, wav::file(tones::second(CAROL))).expect("writable");
    let heard = std::thread::scope(|scope| {
        let phone = Caller::new(&hall.gateway).to("lawyer").saying(&says);
        let lawyer = scope.spawn(move || phone.call(&["srtp", "wait=60"]));
        customer.wait_to_hear(&[CAROL]);
        let mut engineer =
            Baresip::saying(";audio_codecs=pcma", &wav::file(tones::seconds(BOB, 60)));
        let target = format!("sip:engineer@127.0.0.1:{}", hall.gateway.sip_udp.port());
        engineer.command("dial", &target);
        engineer.event("CALL_ESTABLISHED");
        customer.wait_to_hear(&[BOB, CAROL]);
        wait::found("the others at the engineer", || {
            let windows = tones::windows(&engineer.heard(), 8_000);
            let both = tones::count(&windows, &[ALICE, CAROL]);
            if both >= 10 { Ok(()) } else { Err(format!("{windows:?}")) }
        });
        for name in ["support", "engineer", "lawyer"] {
            hall.hang_up(name);
        }
        lawyer.join().expect("no panic")
    });
    let windows = tones::windows(&heard.samples, 16_000);
    assert!(tones::count(&windows, &[ALICE, BOB]) >= 10, "the others at the lawyer: {windows:?}");
    let supervisor_sid = supervisor_sid.trim();
    for call in [agent_sid, supervisor_sid] {
        hall.gateway.create(&format!("Calls/{call}.json"), &[("Status", "completed")]);
    }
    for singer in [customer, agent, supervisor] {
        singer.call.finish().expect_success();
    }

    let told = |conference: &str, wanted: &[&str]| {
        wait::found(conference, || {
            let events = events(&hall, conference);
            if events == wanted { Ok(()) } else { Err(format!("{events:#?}")) }
        });
    };
    let begin = case_begin(&events(&hall, "case"));
    let rest = [
        "participant-join boss",
        "participant-hold customer",
        "participant-leave customer",
        "participant-leave agent",
        "participant-leave boss",
        "conference-end",
    ];
    told("case", &[&begin[..], &rest].concat());
    told(
        "experts",
        &[
            "participant-join customer",
            "participant-join lawyer",
            "conference-start",
            "participant-join engineer",
            "participant-leave customer",
            "participant-leave engineer",
            "participant-leave lawyer",
            "conference-end",
        ],
    );

    let of = |call: &str| channels(&hall.gateway, &recording(&hall, call));
    let [said, got] = of(&sid);
    assert!(count(&said, &[ALICE]) >= 40, "the customer said one thing all the time");
    assert!(count(&got, &[BOB]) >= 10 && count(&got, &[BOB, CAROL]) >= 5);
    let [said, got] = of(agent_sid);
    assert!(count(&said, &[BOB]) >= 20);
    assert!(count(&got, &[ALICE]) >= 10 && count(&got, &[ALICE, CAROL]) >= 5);
    let [said, got] = of(supervisor_sid);
    assert!(count(&said, &[CAROL]) >= 10 && count(&got, &[ALICE, BOB]) >= 5);
    let [said, got] = of(&hall.sid("engineer"));
    assert!(count(&said, &[BOB]) >= 10 && count(&got, &[ALICE, CAROL]) >= 10);
    let [said, got] = of(&hall.sid("lawyer"));
    assert!(count(&said, &[CAROL]) >= 10 && count(&got, &[ALICE, BOB]) >= 10);
    hall.gateway.settled();
}

/// The agent or the customer comes first; the second one begins the conference.
fn case_begin(events: &[String]) -> [&'static str; 3] {
    let agent_first = events.first().is_some_and(|event| event.ends_with("agent"));
    let [first, second] = match agent_first {
        true => ["participant-join agent", "participant-join customer"],
        false => ["participant-join customer", "participant-join agent"],
    };
    match events.get(1).is_some_and(|event| event == "conference-start") {
        true => [first, "conference-start", second],
        false => [first, second, "conference-start"],
    }
}
