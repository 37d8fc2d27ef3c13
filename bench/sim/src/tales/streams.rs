//! Tales of engines that recognise speech, and of applications at the end of media streams.

use phone::Command;
use store::CallDirection;

use super::cast::{ALICE, BOB, THANKS, ms, talk};
use crate::seen::{KEYS, voice};
use crate::tale::Tale;

/// In their order.
pub const TALES: &[Tale] = &[
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
