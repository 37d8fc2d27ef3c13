//! Too much at once, too often, and settings that change meanwhile.

use std::time::Duration;

use shared::Code;
use shared::limits::{UNAUTHENTICATED_BURST, UNAUTHENTICATED_CHALLENGED};
use store::{CallCommand, CallTarget};

use super::calls::{ask, call_to};
use super::rig::{Book, Invite, PASSWORD, Rig, header};
use crate::Input;
use sip::Overload;

pub(super) const EVERYWHERE: Overload = Overload { datagrams: true, connections: true };

#[test]
fn an_overloaded_gateway_drops_unauthenticated_requests_and_answers_others_with_retry_after() {
    let mut rig = Rig::new(Book::with_credentials());
    assert_eq!(rig.invite_as(&Invite::default(), "alice", PASSWORD), [100, 180]);
    rig.tell(Input::Overload(EVERYWHERE));
    let before = rig.dropped;
    rig.come_from(shared::Transport::Udp, "192.0.2.99:5060");
    assert_eq!(rig.invite(&Invite::default()), [0; 0], "unauthenticated");
    assert_eq!(rig.dropped, before + 1);
    rig.come_from(shared::Transport::Udp, super::rig::CALLER);
    assert_eq!(rig.invite_as(&Invite::default(), "alice", PASSWORD), [503]);
    let seconds: u32 = header(rig.last_response(), "Retry-After").unwrap().parse().unwrap();
    assert!((5..=30).contains(&seconds), "{seconds}");
    assert_eq!(rig.refused.last(), Some(&"overload"));
    let call = call_to(CallTarget::Sip("sip:bob@192.0.2.8".to_owned()));
    assert_eq!(ask(&mut rig, CallCommand::Create(Box::new(call))), Err(Code::UNAVAILABLE));
    rig.tell(Input::Overload(Overload::default()));
    assert_eq!(rig.invite_as(&Invite::default(), "alice", PASSWORD), [100, 180]);
}

/// Ten thousand phones that come back over TLS are no reason to be silent over UDP.
#[test]
fn a_flood_on_connections_refuses_nothing_over_udp() {
    let mut rig = Rig::new(Book::with_credentials());
    rig.tell(Input::Overload(Overload { datagrams: false, connections: true }));
    assert_eq!(rig.invite_as(&Invite::default(), "alice", PASSWORD), [100, 180]);
    rig.come_from(shared::Transport::Tcp, "192.0.2.99:5060");
    assert_eq!(rig.invite(&Invite::default()), [0; 0], "unauthenticated, over a connection");
}

#[test]
fn what_is_in_a_dialog_is_worked_on_under_overload() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    rig.answer_webhook("<Say>Hello.</Say>");
    rig.ack_last(&Invite::default());
    rig.tell(Input::Overload(EVERYWHERE));
    let before = rig.sent.len();
    rig.bye_last(&Invite::default());
    assert_eq!(rig.statuses(before), [200]);
}

#[test]
fn past_its_burst_an_unauthenticated_source_is_challenged_without_a_check_of_its_password() {
    let mut rig = Rig::new(Book::with_credentials());
    for _ in 1..UNAUTHENTICATED_BURST {
        assert_eq!(rig.invite(&Invite::default()), [407]);
    }
    let answer = rig.authorization(&Invite::default(), "alice", PASSWORD);
    assert_eq!(rig.invite(&Invite::default()), [407]);
    let with_password = Invite { headers: answer, ..Invite::default() };
    assert_eq!(rig.invite(&with_password), [407], "right, and not looked at");
    for _ in 1..UNAUTHENTICATED_CHALLENGED {
        assert_eq!(rig.invite(&Invite::default()), [407]);
    }
    assert_eq!(rig.invite(&Invite::default()), [0; 0]);
    rig.after(Duration::from_secs(11));
    assert_eq!(rig.invite(&Invite::default()), [407]);
}

#[test]
fn the_profile_of_the_cloud_takes_one_call_a_second_by_the_api() {
    let mut rig = Rig::with_settings(Book::with_ip_list("192.0.2.7"), |s| s.api_calls_a_second = 1);
    let create = |rig: &mut Rig| {
        let call = call_to(CallTarget::Sip("sip:bob@192.0.2.8".to_owned()));
        ask(rig, CallCommand::Create(Box::new(call)))
    };
    assert_eq!(create(&mut rig), Ok(()));
    assert_eq!(create(&mut rig), Err(Code::TOO_MANY_REQUESTS));
    rig.after(Duration::from_secs(1));
    assert_eq!(create(&mut rig), Ok(()));
}

#[test]
fn settings_that_are_read_again_count_from_the_next_request_on() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.1"));
    assert_eq!(rig.invite(&Invite::default()), [0; 0]);
    let config = shared::config::Config::from_layers(&shared::config::Layers::default()).unwrap();
    let origin = shared::ids::Origin { node: 0, generation: 0 };
    let mut settings = crate::ControlSettings::new(&config, origin, "");
    settings.answer_unauthenticated = true;
    settings.trunks = vec![shared::config::Trunk {
        name: "carrier".to_owned(),
        username: "gw".to_owned(),
        register: "sip:carrier.example".to_owned(),
        register_s: 600,
        ..shared::config::Trunk::default()
    }];
    rig.tell(Input::Settings(Box::new(settings)));
    assert_eq!(rig.invite(&Invite::default()), [403]);
    rig.after(Duration::ZERO);
    assert_eq!(rig.resolves.len(), 1, "the new trunk is registered");
}

#[test]
fn another_voice_than_requested_is_one_warning_per_call() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    rig.invite(&Invite::default());
    rig.answer_webhook("<Say>Hello.</Say>");
    let call = rig.records.last().unwrap().sid;
    for prompt in [1, 2] {
        let failure = call::PromptFailure { code: Code::SAY_TEXT, sentence: "No.".to_owned() };
        rig.tell(Input::PromptReady {
            call,
            prompt: call::PromptId(prompt),
            result: Err(failure),
            other_voice: Some("The voice is another one.".to_owned()),
        });
    }
    let warned = rig.notifications.iter().filter(|record| record.error_code == Code::SAY_VOICE);
    assert_eq!(warned.count(), 1);
}
