//! Tales of calls that a recording server hears.

use phone::Command;

use super::cast::{ALICE, BOB, ms, talk};
use crate::seen::voice;
use crate::tale::{Check, Tale};

/// In their order.
pub const TALES: &[Tale] = &[
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
];

/// What a recording session reported.
fn recorded<'w>(check: &Check<'w>) -> Vec<&'w str> {
    let asked = check.world.asked_at("/siprec");
    asked.into_iter().map(|asked| asked.value("SiprecEvent")).collect()
}
