//! Tales of applications that lead a conversation by text.

use phone::Command;
use store::CallDirection;

use super::cast::{ALICE, HANGUP, THANKS, check_heard_ms, ms};
use crate::seen::voice;
use crate::tale::{Check, Tale};
use crate::world::BABBLED_FAULTS;

/// In their order.
pub const TALES: &[Tale] = &[
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
];

/// The data that an application handed over.
fn handed_over(check: &Check<'_>) -> String {
    let asked = check.world.asked_at("/next");
    asked.first().map(|asked| asked.value("HandoffData").to_owned()).unwrap_or_default()
}
