//! Any inputs in any order cause no panic, one end, one finish and a bounded number of effects.

#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

mod story;

use call::*;
use proptest::prelude::*;
use shared::media::TapPause;
use shared::{CallSid, Code, Now, PlayId, RecordingSid};
use story::{inbound, outbound};

const DOCUMENTS: [&str; 11] = [
    "<Response/>",
    "<Response><Say>x</Say><Gather><Say>y</Say><Pause/></Gather><Redirect/></Response>",
    "<Response><Record recordingStatusCallback='/r'/></Response>",
    "<Response><Dial action='/d' record='true'><Sip>a@h</Sip><Client>c</Client></Dial></Response>",
    "<Response><Dial answerOnBridge='true' sequential='true'><Number>+1555</Number><Sip>b@h</Sip></Dial><Play>/x</Play></Response>",
    "<Response><Play digits='1w2'/><Reject/></Response>",
    "<Response><Enqueue/></Response>",
    "<Response><Redirect>http://_/</Redirect></Response>",
    "<Response><Hangup/></Response>",
    "<Response><Start><Recording name='a'/></Start><Pause/><Stop><Recording name='a'/></Stop></Response>",
    "not xml",
];

/// Ids are small numbers, so that many inputs name something that exists.
fn input() -> impl Strategy<Value = CallInput> {
    let http =
        (1..6_u32, 0..DOCUMENTS.len(), 0..4_u8).prop_map(|(id, document, kind)| CallInput::Http {
            request: HttpId(id),
            result: match kind {
                0 => Err(HttpFailure {
                    code: Code::HTTP_CONNECTION,
                    sentence: "x".to_owned(),
                    duration_ms: 1,
                }),
                _ => Ok(HttpAnswer {
                    status: if kind == 1 { 404 } else { 200 },
                    content_type: Some("text/xml".to_owned()),
                    body: DOCUMENTS[document].as_bytes().to_vec().into(),
                    final_url: "http://app/voice".to_owned(),
                    duration_ms: 1,
                }),
            },
        });
    let fails = PromptFailure { code: Code::PLAY_CONTENT_TYPE, sentence: "x".to_owned() };
    let prompt = (1..5_u32, any::<bool>()).prop_map(move |(prompt, good)| CallInput::PromptReady {
        prompt: PromptId(prompt),
        result: if good { Ok(()) } else { Err(fails.clone()) },
    });
    prop_oneof![
        2 => Just(CallInput::Started),
        4 => http,
        4 => prompt,
        4 => (1..5_u32).prop_map(|play| CallInput::PlayEnded { play: PlayId(play) }),
        3 => prop::sample::select(&b"0123456789*#ABCD"[..]).prop_map(CallInput::Digit),
        1 => Just(CallInput::SipProgress { status: 183, early_media: true }),
        2 => Just(CallInput::SipAnswered(AnswerFacts::default())),
        1 => Just(CallInput::SipRejected { status: 486, call_id: "c".to_owned(), headers: Vec::new() }),
        1 => Just(CallInput::LegFailed { code: Some(Code::NUMBER_NOT_CALLABLE), status: None, sentence: "x".to_owned() }),
        1 => Just(CallInput::Hungup { cause: HangupCause::Peer, headers: Vec::new() }),
        1 => Just(CallInput::Parent(ParentCommand::Hangup)),
        1 => Just(CallInput::Api(ApiUpdate::Complete)),
        1 => Just(CallInput::Api(ApiUpdate::Twiml(DOCUMENTS[1].to_owned()))),
        1 => Just(CallInput::MediaLost),
        2 => any::<u128>().prop_map(|sid| start(RecordingSid(sid))),
    ]
}

/// REST starts a recording.
fn start(recording: RecordingSid) -> CallInput {
    let settings =
        RecordSettings { channels: 2, track: RecordingTrack::Both, trim: false, callback: None };
    change(recording, RecordingChange::Start(settings))
}

fn change(recording: RecordingSid, change: RecordingChange) -> CallInput {
    CallInput::Api(ApiUpdate::Recording { recording, change })
}

/// Inputs that name children and recordings of the call.
fn of_made_things(
    choice: u8,
    children: &[CallSid],
    recordings: &[RecordingPlan],
) -> Option<CallInput> {
    if let Some(recording) = recordings.first().map(|plan| plan.recording) {
        let pause = choice.is_multiple_of(2).then_some(TapPause::Skip);
        let outcome = RecordingOutcome::Absent;
        match choice / 16 {
            11 => {
                return Some(CallInput::RecordingEnded { recording, cause: RecordingEnd::Silence });
            }
            12 => return Some(CallInput::RecordingDone { recording, outcome }),
            13 => return Some(change(recording, RecordingChange::Pause(pause))),
            14 => return Some(change(recording, RecordingChange::Stop)),
            _ => {}
        }
    }
    let sid = *children.get(usize::from(choice) % children.len().max(1))?;
    let end = ChildEnd {
        status: CallStatus::Busy,
        sip_status: Some(486),
        sip_call_id: None,
        headers: Vec::new(),
        duration_s: None,
        error: None,
    };
    let event = match choice / 16 {
        0..=3 => ChildEvent::Ringing { early_media: choice.is_multiple_of(2) },
        4..=6 => ChildEvent::Answered,
        7..=9 => ChildEvent::Ready,
        10 => ChildEvent::Left,
        _ => ChildEvent::Ended(end),
    };
    Some(CallInput::Child { sid, event })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_call_survives_any_story(
        kind in 0..3_u8,
        steps in prop::collection::vec((input(), any::<u8>(), 0..8_u64), 1..60),
    ) {
        let setup = match kind {
            0 => inbound(),
            1 => outbound(),
            _ => CallSetup {
                direction: CallDirection::OutboundDial,
                parent: Some(CallSid(9)),
                ..outbound()
            },
        };
        let mut call = Call::new(setup);
        let mut now = Now::default();
        let (mut ended, mut finished) = (0, 0);
        let (mut children, mut recordings) = (Vec::new(), Vec::new());
        let steps = steps.into_iter().map(|(input, choice, wait)| (Some(input), choice, wait));
        let steps = std::iter::once((Some(CallInput::Started), 0, 0)).chain(steps);
        for (input, choice, wait) in steps.chain(std::iter::repeat_n((None, 0, 100_000), 40)) {
            now = now.after(std::time::Duration::from_secs(wait));
            let made = of_made_things(choice, &children, &recordings);
            for input in input.into_iter().chain(made) {
                call.handle(now, input);
                let count = drain(&mut call, &mut children, &mut recordings, &mut ended, &mut finished);
                prop_assert!(count < 200);
            }
            call.handle_timeout(now);
            drain(&mut call, &mut children, &mut recordings, &mut ended, &mut finished);
            prop_assert!(ended <= 1 && finished <= ended);
            prop_assert_eq!(call.is_over() && ended == 1, call.status().is_terminal() && ended == 1);
        }
    }
}

fn drain(
    call: &mut Call,
    children: &mut Vec<CallSid>,
    recordings: &mut Vec<RecordingPlan>,
    ended: &mut u32,
    finished: &mut u32,
) -> usize {
    let mut count = 0;
    while let Some(effect) = call.poll_effect() {
        assert_eq!(*finished, 0, "nothing follows the finish: {effect:?}");
        count += 1;
        match effect {
            CallEffect::Dial { children: new } => {
                children.extend(new.iter().map(|setup| setup.sid))
            }
            CallEffect::StartRecording(plan) => recordings.push(plan),
            CallEffect::Ended(_) => *ended += 1,
            CallEffect::Finished => *finished += 1,
            _ => {}
        }
    }
    count
}
