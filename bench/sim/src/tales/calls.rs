//! Tales of callers, called parties and documents.

use phone::{Command, Event};
use store::{CallDirection, TwimlSource, UpdateAction};

use super::cast::{ALICE, BOB, CAROL, THANKS, TO_BOB, ms, talk};
use super::rest::{call_bob, update};
use crate::seen::{KEYS, voice};
use crate::tale::Tale;

/// In their order.
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
];
