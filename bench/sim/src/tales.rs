//! The tales: what people do in one call, and all that must be seen. Every third seed plays one.

use std::time::Duration;

use phone::{Command, Event};
use store::{
    CallCommand, CallDirection, CallEvents, CallRecord, CallTarget, CreateCall, HttpMethod, Patch,
    TwimlSource, UpdateAction, UpdateCall, Webhook,
};

use crate::ground::ACCOUNT;
use crate::seen::{KEYS, voice};
use crate::tale::{Check, Tale};
use crate::world::{BABBLED_FAULTS, SOUND, World};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
const THANKS: (&str, &str) = ("/next", "<Say>Thank you.</Say>");
const HANGUP: (&str, &str) = ("/next", "<Hangup/>");
const TO_BOB: (&str, &str) =
    ("/voice", "<Dial action=\"/next\"><Sip>sip:bob@10.0.0.3</Sip></Dial>");

/// Every tale. Their order is part of what a seed means.
pub const TALES: &[Tale] = &[
    Tale {
        name: "a caller hears what is said",
        documents: &[("/voice", "<Say>Hello.</Say>")],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.statuses(CallDirection::Inbound, &["completed"]);
            check.hears_prompt(ALICE, 0);
        },
    },
    Tale {
        name: "a caller hears its own voice",
        documents: &[("/voice", "<Echo/>")],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), ALICE, Command::Play(voice(ALICE)));
            world.user(ms(3_500), ALICE, Command::Press(KEYS.into()));
            world.user(ms(8_000), ALICE, Command::HangUp);
        },
        expect: |check| {
            check.hears(ALICE, ALICE);
            check.same("keys that return", check.world.keys(ALICE), KEYS.to_owned());
            check.statuses(CallDirection::Inbound, &["completed"]);
        },
    },
    Tale {
        name: "keys pressed are keys gathered",
        documents: &[
            ("/voice", "<Gather numDigits=\"2\" action=\"/next\"><Say>Press.</Say></Gather>"),
            THANKS,
        ],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(3_000), ALICE, Command::Press(KEYS.into()));
        },
        expect: |check| {
            check.next("Digits", KEYS);
            check.statuses(CallDirection::Inbound, &["completed"]);
        },
    },
    Tale {
        name: "two people talk",
        documents: &[TO_BOB, THANKS],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            talk(world, BOB);
            world.user(ms(8_000), BOB, Command::HangUp);
        },
        expect: |check| {
            check.hears(BOB, ALICE);
            check.hears(ALICE, BOB);
            check.same("keys at bob's", check.world.keys(BOB), KEYS.to_owned());
            check.next("DialCallStatus", "completed");
            check.statuses(CallDirection::Inbound, &["completed"]);
            check.statuses(CallDirection::OutboundDial, &["completed"]);
        },
    },
    Tale {
        name: "the caller hangs up on the called",
        documents: &[TO_BOB, THANKS],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            talk(world, BOB);
            world.user(ms(8_000), ALICE, Command::HangUp);
        },
        expect: |check| {
            check.hears(BOB, ALICE);
            check.hears(ALICE, BOB);
            check.next("DialCallStatus", "completed");
            check.statuses(CallDirection::Inbound, &["completed"]);
            check.statuses(CallDirection::OutboundDial, &["completed"]);
            check.same("prompts after the end", check.world.prompts.len(), 0);
        },
    },
    Tale {
        name: "a caller rings until the called answers",
        documents: &[
            (
                "/voice",
                "<Dial answerOnBridge=\"true\" action=\"/next\"><Sip>sip:bob@10.0.0.3</Sip></Dial>",
            ),
            THANKS,
        ],
        answers: (false, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), BOB, Command::Answer);
            talk(world, BOB);
            world.user(ms(8_000), BOB, Command::HangUp);
        },
        expect: |check| {
            check.hears(BOB, ALICE);
            check.hears(ALICE, BOB);
            check.next("DialCallStatus", "completed");
            let lasted = check.world.calls(CallDirection::Inbound)[0].duration_s;
            check.holds("the caller pays from the answer", lasted.is_some_and(|s| s <= 7));
        },
    },
    Tale {
        name: "the called is busy",
        documents: &[TO_BOB, THANKS],
        answers: (false, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(3_000), BOB, Command::Refuse { status: 486 });
        },
        expect: |check| {
            check.next("DialCallStatus", "busy");
            check.next("DialSipResponseCode", "486");
            check.statuses(CallDirection::Inbound, &["completed"]);
            check.statuses(CallDirection::OutboundDial, &["busy"]);
            check.hears_prompt(ALICE, 0);
        },
    },
    Tale {
        name: "nobody answers in time",
        documents: &[
            ("/voice", "<Dial timeout=\"5\" action=\"/next\"><Sip>sip:bob@10.0.0.3</Sip></Dial>"),
            THANKS,
        ],
        answers: (false, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.next("DialCallStatus", "no-answer");
            check.statuses(CallDirection::OutboundDial, &["no-answer"]);
            check.statuses(CallDirection::Inbound, &["completed"]);
        },
    },
    Tale {
        name: "the host of the called is silent",
        documents: &[
            ("/voice", "<Dial timeout=\"8\" action=\"/next\"><Sip>sip:bob@10.0.0.9</Sip></Dial>"),
            THANKS,
        ],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.next("DialCallStatus", "failed");
            check.next("ErrorCode", "32011");
            check.next("DialSipResponseCode", "408");
            check.statuses(CallDirection::Inbound, &["completed"]);
        },
    },
    Tale {
        name: "the first of two to answer wins",
        documents: &[
            (
                "/voice",
                "<Dial action=\"/next\"><Sip>sip:bob@10.0.0.3</Sip><Sip>sip:carol@10.0.0.4</Sip></Dial>",
            ),
            THANKS,
        ],
        answers: (false, false),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), CAROL, Command::Answer);
            talk(world, CAROL);
            world.user(ms(8_000), CAROL, Command::HangUp);
        },
        expect: |check| {
            check.next("DialCallStatus", "completed");
            check.statuses(CallDirection::OutboundDial, &["canceled", "completed"]);
            check.hears(CAROL, ALICE);
            check.hears(ALICE, CAROL);
            let rang = check.world.heard[BOB].iter().any(|e| matches!(e, Event::Incoming { .. }));
            check.holds("bob's phone rang", rang);
        },
    },
    Tale {
        name: "one after the other",
        documents: &[
            (
                "/voice",
                "<Dial sequential=\"true\" action=\"/next\"><Sip>sip:bob@10.0.0.3</Sip>\
                 <Sip>sip:carol@10.0.0.4</Sip></Dial>",
            ),
            THANKS,
        ],
        answers: (false, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), BOB, Command::Refuse { status: 486 });
            talk(world, CAROL);
            world.user(ms(8_000), CAROL, Command::HangUp);
        },
        expect: |check| {
            check.next("DialCallStatus", "completed");
            check.statuses(CallDirection::OutboundDial, &["busy", "completed"]);
            check.hears(CAROL, ALICE);
            check.hears(ALICE, CAROL);
        },
    },
    Tale {
        name: "the called is asked first and accepts",
        documents: &[
            ("/voice", "<Dial action=\"/next\"><Sip url=\"/screen\">sip:bob@10.0.0.3</Sip></Dial>"),
            (
                "/screen",
                "<Gather numDigits=\"2\" action=\"/accept\"><Say>Press.</Say></Gather><Hangup/>",
            ),
            THANKS,
        ],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(3_000), BOB, Command::Press(KEYS.into()));
            world.user(ms(6_000), ALICE, Command::Play(voice(ALICE)));
            world.user(ms(7_500), BOB, Command::Play(voice(BOB)));
            world.user(ms(10_000), BOB, Command::HangUp);
        },
        expect: |check| {
            let accepted: Vec<&str> =
                check.world.asked_at("/accept").iter().map(|asked| asked.value("Digits")).collect();
            check.same("keys at the screening", accepted, vec![KEYS]);
            check.next("DialCallStatus", "completed");
            check.hears(BOB, ALICE);
            check.hears(ALICE, BOB);
        },
    },
    Tale {
        name: "the called is asked first and declines",
        documents: &[
            ("/voice", "<Dial action=\"/next\"><Sip url=\"/screen\">sip:bob@10.0.0.3</Sip></Dial>"),
            ("/screen", "<Say>Somebody calls.</Say><Hangup/>"),
            THANKS,
        ],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.same("actions", check.world.asked_at("/next").len(), 1);
            check.statuses(CallDirection::Inbound, &["completed"]);
            check.statuses(CallDirection::OutboundDial, &["completed"]);
        },
    },
    Tale {
        name: "the application calls somebody and gets every status callback",
        documents: &[("/answered", "<Say>Hello.</Say>")],
        answers: (true, true),
        act: |world| call_bob(world, 100),
        expect: |check| {
            let told = check.world.asked_at("/progress");
            let events: Vec<&str> = told.iter().map(|asked| asked.value("CallStatus")).collect();
            check.same(
                "progress",
                events,
                vec!["initiated", "ringing", "in-progress", "completed"],
            );
            let told = check.world.asked_at("/progress");
            let order: Vec<&str> = told.iter().map(|asked| asked.value("SequenceNumber")).collect();
            check.same("sequence", order, vec!["0", "1", "2", "3"]);
            check.statuses(CallDirection::OutboundApi, &["completed"]);
            check.hears_prompt(BOB, 0);
        },
    },
    Tale {
        name: "the application takes its call back",
        documents: &[],
        answers: (false, true),
        act: |world| {
            call_bob(world, 100);
            update(world, 3_000, CallDirection::OutboundApi, || UpdateAction::Cancel);
        },
        expect: |check| {
            check.same("replies", check.world.replies.clone(), vec![Ok(()), Ok(())]);
            check.statuses(CallDirection::OutboundApi, &["canceled"]);
            let told = check.world.asked_at("/progress");
            check.same(
                "last word",
                told.last().map(|asked| asked.value("CallStatus")),
                Some("canceled"),
            );
        },
    },
    Tale {
        name: "the application sends a caller elsewhere",
        documents: &[("/voice", "<Pause length=\"60\"/>"), THANKS],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            update(world, 3_000, CallDirection::Inbound, || {
                let text = "<Response><Say>Other.</Say></Response>".to_owned();
                UpdateAction::Redirect { twiml: TwimlSource::Inline(text), fallback: None }
            });
        },
        expect: |check| {
            check.same("replies", check.world.replies.clone(), vec![Ok(())]);
            check.statuses(CallDirection::Inbound, &["completed"]);
            check.hears_prompt(ALICE, 0);
        },
    },
    Tale {
        name: "the application ends a bridged call",
        documents: &[TO_BOB, THANKS],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            update(world, 4_000, CallDirection::Inbound, || UpdateAction::Complete);
        },
        expect: |check| {
            check.same("replies", check.world.replies.clone(), vec![Ok(())]);
            check.statuses(CallDirection::Inbound, &["completed"]);
            check.statuses(CallDirection::OutboundDial, &["completed"]);
        },
    },
    Tale {
        name: "the fallback steps in",
        documents: &[("/voice", ""), ("/fallback", "<Say>Sorry.</Say>")],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            let asked = check.world.asked_at("/fallback");
            let codes: Vec<&str> = asked.iter().map(|asked| asked.value("ErrorCode")).collect();
            check.same("codes", codes, vec!["11202"]);
            check.statuses(CallDirection::Inbound, &["completed"]);
            check.hears_prompt(ALICE, 0);
        },
    },
    Tale {
        name: "the fallback fails too and the sentence is heard",
        documents: &[("/voice", ""), ("/fallback", "")],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.statuses(CallDirection::Inbound, &["completed"]);
            check.hears_prompt(ALICE, 0);
        },
    },
    Tale {
        name: "a caller leaves a message",
        documents: &[
            ("/voice", "<Record maxLength=\"5\" playBeep=\"false\" action=\"/next\"/>"),
            THANKS,
        ],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_000), ALICE, Command::Play(voice(ALICE)));
        },
        expect: |check| {
            check.same("actions", check.world.asked_at("/next").len(), 1);
            let asked = check.world.asked_at("/next");
            let seconds: u32 = asked
                .first()
                .and_then(|asked| asked.value("RecordingDuration").parse().ok())
                .unwrap_or(0);
            check.holds("it is about five seconds long", (4..=6).contains(&seconds));
            check.statuses(CallDirection::Inbound, &["completed"]);
        },
    },
    Tale {
        name: "a caller is turned away",
        documents: &[("/voice", "<Reject reason=\"busy\"/>")],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            let refused = check.world.heard[ALICE].iter().find_map(|event| match event {
                Event::Refused { status, .. } => Some(*status),
                _ => None,
            });
            check.same("status", refused, Some(486));
            check.statuses(CallDirection::Inbound, &["busy"]);
        },
    },
    Tale {
        name: "a caller gives up before anything is said",
        documents: &[("/voice", "<Pause length=\"10\"/><Say>Hello.</Say>")],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(3_000), ALICE, Command::HangUp);
        },
        expect: |check| check.statuses(CallDirection::Inbound, &["no-answer"]),
    },
    Tale {
        name: "somebody is put on hold",
        documents: &[TO_BOB, THANKS],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), ALICE, Command::Hold(true));
            world.user(ms(70_000), ALICE, Command::Hold(false));
            world.user(ms(71_000), ALICE, Command::Play(voice(ALICE)));
            world.user(ms(73_000), BOB, Command::Play(voice(BOB)));
            world.user(ms(76_000), BOB, Command::HangUp);
        },
        expect: |check| {
            check.hears(BOB, ALICE);
            check.hears(ALICE, BOB);
            check.next("DialCallStatus", "completed");
        },
    },
    Tale {
        name: "the wall clock is set in the middle of a call",
        documents: &[TO_BOB, THANKS],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.set_clock(ms(3_000), -3_600_000);
            world.set_clock(ms(6_000), 7_200_000);
            world.user(ms(9_000), BOB, Command::HangUp);
        },
        expect: |check| {
            check.next("DialCallStatus", "completed");
            let lasted = check.world.calls(CallDirection::OutboundDial)[0].duration_s;
            check.holds(
                "it lasted about eight seconds",
                lasted.is_some_and(|s| (6..=9).contains(&s)),
            );
        },
    },
    Tale {
        name: "an engine hears what the caller says",
        documents: &[
            (
                "/voice",
                "<Gather input=\"dtmf speech\" action=\"/next\" timeout=\"9\" speechTimeout=\"1\"/>",
            ),
            THANKS,
        ],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), ALICE, Command::Play(voice(ALICE)));
        },
        expect: |check| {
            check.next("SpeechResult", "one two");
            check.next("Confidence", "0.93");
            check.same("finals", check.world.recognitions.finals, 1);
            check.hears_prompt(ALICE, 0);
        },
    },
    Tale {
        name: "an engine dies and the caller presses keys",
        documents: &[
            (
                "/voice",
                "<Gather input=\"dtmf speech\" hints=\"dying\" action=\"/next\" numDigits=\"2\" \
                 timeout=\"9\"/>",
            ),
            THANKS,
        ],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), ALICE, Command::Play(voice(ALICE)));
            world.user(ms(5_000), ALICE, Command::Press(KEYS.into()));
        },
        expect: |check| check.next("Digits", KEYS),
    },
    Tale {
        name: "an application says again what the caller says",
        documents: &[("/voice", "<Connect><Stream url=\"wss://bots.example/echo\"/></Connect>")],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), ALICE, Command::Play(voice(ALICE)));
            world.user(ms(6_000), ALICE, Command::HangUp);
        },
        expect: |check| {
            let heard = check.world.hears_by_mulaw(ALICE, &voice(ALICE));
            check.holds("alice hears herself", heard);
            check.statuses(CallDirection::Inbound, &["completed"]);
        },
    },
    Tale {
        name: "an application says it again much later",
        documents: &[("/voice", "<Connect><Stream url=\"wss://bots.example/slow\"/></Connect>")],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), ALICE, Command::Play(voice(ALICE)));
            world.user(ms(8_000), ALICE, Command::HangUp);
        },
        expect: |check| {
            let heard = check.world.hears_by_mulaw(ALICE, &voice(ALICE));
            check.holds("alice hears herself", heard);
        },
    },
    Tale {
        name: "an application bursts ten seconds and takes them back",
        documents: &[(
            "/voice",
            "<Connect><Stream url=\"wss://bots.example/bursting\"/></Connect>",
        )],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(6_000), ALICE, Command::HangUp);
        },
        expect: |check| {
            let marks = check.world.streams.marks_returned;
            check.same("marks that came back", marks, 10);
            let heard_ms = check.world.heard_of_mulaw(ALICE, 0x2A) * 20;
            // From 50 ms to 1.5 s, and 20 ms more at most.
            check.holds(
                &format!("the clear ended it: {heard_ms} ms"),
                (1_300..=1_480).contains(&heard_ms),
            );
        },
    },
    Tale {
        name: "an application that talks by text is interrupted and hands the call on",
        documents: &[
            (
                "/voice",
                "<Connect action=\"/next\"><ConversationRelay url=\"wss://bots.example/talking\"/></Connect>",
            ),
            HANGUP,
        ],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), ALICE, Command::Play(voice(ALICE)));
        },
        expect: |check| {
            check.next("SessionStatus", "ended");
            let words = handed_over(check);
            let is_begin = words.starts_with("One two three. One two");
            check.holds(&format!("it reads what was heard: {words}"), is_begin);
            // Some two seconds of the talk, and 300 ms of the excuse.
            check_heard_ms(check, 1_800..=3_000);
            check.statuses(CallDirection::Inbound, &["completed"]);
        },
    },
    Tale {
        name: "an application hands the call on with what it understood",
        documents: &[
            (
                "/voice",
                "<Connect action=\"/next\"><ConversationRelay url=\"wss://bots.example/handing-over\" \
                 welcomeGreeting=\"Yes?\"/></Connect>",
            ),
            HANGUP,
        ],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), ALICE, Command::Play(voice(ALICE)));
        },
        expect: |check| {
            check.next("SessionStatus", "ended");
            check.next("HandoffData", "one two");
            check.same("finals", check.world.recognitions.finals, 1);
            // The greeting; the good-bye is dropped by the end that follows it.
            check_heard_ms(check, 160..=260);
        },
    },
    Tale {
        name: "a slow application answers, and keys reach it",
        documents: &[(
            "/voice",
            "<Connect><ConversationRelay url=\"wss://bots.example/slow\" dtmfDetection=\"true\"/></Connect>",
        )],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), ALICE, Command::Play(voice(ALICE)));
            world.user(ms(12_000), ALICE, Command::Press("1".into()));
            world.user(ms(20_000), ALICE, Command::HangUp);
        },
        expect: |check| {
            // 13 and 11 letters, and a file of a second, twice.
            check_heard_ms(check, 3_060..=3_220);
            check.statuses(CallDirection::Inbound, &["completed"]);
        },
    },
    Tale {
        name: "an application babbles and its relay goes on",
        documents: &[
            (
                "/voice",
                "<Connect action=\"/next\"><ConversationRelay url=\"wss://bots.example/babbling\"/></Connect>",
            ),
            HANGUP,
        ],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.next("SessionStatus", "ended");
            check.next("HandoffData", "babbled");
            check.same("errors", check.world.streams.errors_sent, BABBLED_FAULTS);
            check.same("keys", check.world.keys(ALICE), "1".to_owned());
        },
    },
    Tale {
        name: "an application interrupts itself with another answer",
        documents: &[
            (
                "/voice",
                "<Connect action=\"/next\"><ConversationRelay url=\"wss://bots.example/preempting\" \
                 preemptible=\"true\"/></Connect>",
            ),
            HANGUP,
        ],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.next("SessionStatus", "ended");
            check.next("HandoffData", "done");
            // Two seconds of the first answer, and 300 ms of the second.
            check_heard_ms(check, 2_040..=2_300);
        },
    },
    Tale {
        name: "an application by text closes in the middle of its sentence",
        documents: &[
            (
                "/voice",
                "<Connect action=\"/next\"><ConversationRelay url=\"wss://bots.example/leaving\"/></Connect>",
            ),
            THANKS,
        ],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.next("SessionStatus", "failed");
            check.next("ErrorCode", "64105");
            check.hears_prompt(ALICE, 0);
            check_heard_ms(check, 1_600..=1_900);
        },
    },
    Tale {
        name: "an application by text vanishes and the next verb follows",
        documents: &[(
            "/voice",
            "<Connect><ConversationRelay url=\"wss://bots.example/vanishing\"/></Connect>\
             <Say>Thank you.</Say>",
        )],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.hears_prompt(ALICE, 0);
            check_heard_ms(check, 1_600..=1_900);
            check.statuses(CallDirection::Inbound, &["completed"]);
        },
    },
    Tale {
        name: "a recording server hears the caller and learns that she holds",
        documents: &[(
            "/voice",
            "<Start><Siprec connectorName=\"takes\" statusCallback=\"/siprec\"/></Start><Gather timeout=\"60\"/>",
        )],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(2_500), ALICE, Command::Play(voice(ALICE)));
            world.user(ms(5_000), ALICE, Command::Hold(true));
            world.user(ms(6_000), ALICE, Command::Hold(false));
            world.user(ms(8_000), ALICE, Command::HangUp);
        },
        expect: |check| {
            check.same("events", recorded(check), vec!["siprec-started", "siprec-stopped"]);
            let said = check.world.voice_in_mulaw(ALICE);
            let heard = check.world.server.heard(0);
            let is_heard = heard.windows(said.len()).any(|window| window == said);
            check.holds("the server hears alice", is_heard);
            let senders = &check.world.server.senders;
            check.same("who sends", senders.first().copied(), Some(2));
            check.same("who sends at the end", senders.last().copied(), Some(2));
            check.same("descriptions", senders.len(), 3);
            check.holds("alice holds", senders[1] < 2);
        },
    },
    Tale {
        name: "a recording server learns whom the caller talks with",
        documents: &[
            (
                "/voice",
                "<Start><Siprec connectorName=\"takes\" track=\"inbound_track\"/></Start>\
                 <Dial action=\"/next\"><Sip>sip:bob@10.0.0.3</Sip></Dial>",
            ),
            ("/next", "<Gather timeout=\"5\"/>"),
        ],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            talk(world, BOB);
            world.user(ms(8_000), BOB, Command::HangUp);
        },
        expect: |check| {
            check.hears(BOB, ALICE);
            check.hears(ALICE, BOB);
            let others: Vec<&str> = check.world.server.others.iter().map(String::as_str).collect();
            let [first, with_bob, last] = others.as_slice() else {
                return check.same("descriptions", others.len(), 3);
            };
            check.same("whom she talks with", *with_bob, "sip:bob@10.0.0.3");
            check.same("and afterwards", *last, *first);
        },
    },
    Tale {
        name: "a recording server challenges and the gateway logs in",
        documents: &[(
            "/voice",
            "<Start><Siprec connectorName=\"challenges\" statusCallback=\"/siprec\"/></Start>\
             <Gather timeout=\"5\"/>",
        )],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.same("events", recorded(check), vec!["siprec-started", "siprec-stopped"]);
        },
    },
    Tale {
        name: "a recording server refuses and the call goes on",
        documents: &[(
            "/voice",
            "<Start><Siprec connectorName=\"refuses\" statusCallback=\"/siprec\"/></Start>\
             <Say>Hello.</Say>",
        )],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.same("events", recorded(check), vec!["siprec-error"]);
            check.hears_prompt(ALICE, 0);
        },
    },
    Tale {
        name: "a recording server that answers late loses no session",
        documents: &[(
            "/voice",
            "<Start><Siprec connectorName=\"late\" statusCallback=\"/siprec\"/></Start>\
             <Gather timeout=\"12\"/>",
        )],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.same("events", recorded(check), vec!["siprec-started", "siprec-stopped"]);
        },
    },
    Tale {
        name: "a recording server vanishes and the session fails with the next description",
        documents: &[(
            "/voice",
            "<Start><Siprec connectorName=\"vanishes\" statusCallback=\"/siprec\"/></Start>\
             <Gather timeout=\"60\"/><Say>Bye.</Say>",
        )],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            world.user(ms(3_000), ALICE, Command::Hold(true));
            world.user(ms(5_000), ALICE, Command::Hold(false));
        },
        expect: |check| {
            let events = vec!["siprec-started", "siprec-error", "siprec-stopped"];
            check.same("events", recorded(check), events);
            check.hears_prompt(ALICE, 0);
        },
    },
    Tale {
        name: "an application closes in the middle of its sentence",
        documents: &[
            (
                "/voice",
                "<Connect action=\"/next\"><Stream url=\"wss://bots.example/closing\"/></Connect>",
            ),
            THANKS,
        ],
        answers: (true, true),
        act: |world| world.call(ms(100)),
        expect: |check| {
            check.same("actions", check.world.asked_at("/next").len(), 1);
            check.hears_prompt(ALICE, 0);
            let heard_ms = check.world.heard_of_mulaw(ALICE, 0x2A) * 20;
            check.holds(&format!("less than a second of two: {heard_ms} ms"), heard_ms <= 960);
            check.statuses(CallDirection::Inbound, &["completed"]);
        },
    },
    Tale {
        name: "an application listens to both sides of a bridge",
        documents: &[
            (
                "/voice",
                "<Start><Stream url=\"wss://bots.example/echo\" track=\"both_tracks\"/></Start>\
                 <Dial action=\"/next\"><Sip>sip:bob@10.0.0.3</Sip></Dial>",
            ),
            THANKS,
        ],
        answers: (true, true),
        act: |world| {
            world.call(ms(100));
            talk(world, BOB);
            world.user(ms(8_000), BOB, Command::HangUp);
        },
        expect: |check| {
            check.hears(BOB, ALICE);
            check.hears(ALICE, BOB);
            check.next("DialCallStatus", "completed");
            // Two tracks for about seven seconds; what the application sends is ignored.
            let media = check.world.streams.media_sent;
            check.holds(&format!("both tracks: {media}"), (500..=1_000).contains(&media));
        },
    },
];

/// What a recording session reported.
fn recorded<'w>(check: &Check<'w>) -> Vec<&'w str> {
    let asked = check.world.asked_at("/siprec");
    asked.into_iter().map(|asked| asked.value("SiprecEvent")).collect()
}

/// The data that an application handed over.
fn handed_over(check: &Check<'_>) -> String {
    let asked = check.world.asked_at("/next");
    asked.first().map(|asked| asked.value("HandoffData").to_owned()).unwrap_or_default()
}

/// Alice heard this many milliseconds of sound that an application had made.
fn check_heard_ms(check: &mut Check<'_>, expected: std::ops::RangeInclusive<usize>) {
    let heard_ms = check.world.heard_of_mulaw(ALICE, SOUND) * 20;
    check.holds(&format!("{heard_ms} ms of {expected:?} are heard"), expected.contains(&heard_ms));
}

/// Alice speaks, then another phone, then Alice presses keys.
fn talk(world: &mut World, other: usize) {
    world.user(ms(4_000), ALICE, Command::Play(voice(ALICE)));
    world.user(ms(5_200), other, Command::Play(voice(other)));
    world.user(ms(6_500), ALICE, Command::Press(KEYS.into()));
}

fn create() -> CallCommand {
    let webhook =
        |path: &str| Webhook { url: format!("http://10.0.0.9/{path}"), method: HttpMethod::Post };
    CallCommand::Create(Box::new(CreateCall {
        account: ACCOUNT,
        to: CallTarget::Sip("sip:bob@10.0.0.3".to_owned()),
        from: "desk".to_owned(),
        caller_id: None,
        display_name: None,
        application: None,
        twiml: TwimlSource::Url(webhook("answered")),
        fallback: None,
        status_callback: Some(webhook("progress")),
        status_callback_events: CallEvents {
            initiated: true,
            ringing: true,
            answered: true,
            completed: true,
        },
        detection: None,
        send_digits: None,
        timeout_s: 30,
        time_limit_s: 600,
        record: None,
        sip_auth: None,
        warnings: Vec::new(),
    }))
}

/// The application calls bob by REST.
pub fn call_bob(world: &mut World, at_ms: u64) {
    world.ask(ms(at_ms), Box::new(|_| Some(create())));
}

/// The application changes the first call of a direction by REST; nothing happens where there is none.
pub fn update(
    world: &mut World,
    at_ms: u64,
    direction: CallDirection,
    action: fn() -> UpdateAction,
) {
    let ask = move |world: &World| {
        let found = world.calls(direction).first().map(|record: &&CallRecord| record.sid)?;
        Some(CallCommand::Update(Box::new(UpdateCall {
            account: ACCOUNT,
            call: found,
            action: Some(action()),
            status_callback: Patch::Keep,
            time_limit_s: None,
        })))
    };
    world.ask(ms(at_ms), Box::new(ask));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::tale::play;

    /// Every tale on a few networks; seeds play them on more.
    #[test]
    fn every_tale_ends_as_it_must() {
        let mut failed = Vec::new();
        for (index, tale) in TALES.iter().enumerate() {
            for turn in 0..3 {
                let mut rng = Rng::new(turn * 1_000 + index as u64);
                let (_, wrong) = play(tale, &mut rng);
                if !wrong.is_empty() {
                    failed.push(format!("{} ({turn}): {}", tale.name, wrong.join("; ")));
                }
            }
        }
        assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    }
}
