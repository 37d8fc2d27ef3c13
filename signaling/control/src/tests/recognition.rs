//! Recognitions of calls by values: their taps, and calls that are over but for a text.

use call::{RecognitionEnd, RecognitionEvent, RecognitionId, RecognitionStop};
use shared::{CallSid, MediaCommand};

use super::calls::{answered, hang_up};
use super::rig::{Book, Invite, Rig};
use crate::{Effect, Input};

const RECORD: &str = "<Record transcribe=\"true\" playBeep=\"false\" action=\"/after\"/>";

fn rig(calls_max: usize) -> Rig {
    Rig::with_settings(Book::with_ip_list("192.0.2.7"), |settings| {
        settings.calls_max = calls_max;
        settings.call = std::sync::Arc::new(call::CallSettings {
            has_recognition: true,
            ..(*settings.call).clone()
        });
    })
}

/// The recognition that the call has started.
fn started(rig: &Rig) -> RecognitionId {
    let mut started = rig.effects.iter().filter_map(|effect| match effect {
        Effect::StartRecognition { plan, .. } => Some(plan.recognition),
        _ => None,
    });
    started.next_back().expect("it listens")
}

fn ends(rig: &mut Rig, call: CallSid, recognition: RecognitionId) {
    let event = RecognitionEvent::Ended(RecognitionEnd::Stopped);
    rig.tell(Input::Recognition { call, recognition, event });
}

#[test]
fn a_message_is_over_for_its_core_while_its_text_is_not_there() {
    let mut rig = rig(0);
    let call = answered(&mut rig, RECORD);
    started(&rig);
    let taps = |rig: &Rig, is_it: fn(&MediaCommand) -> bool| {
        rig.media.iter().filter(|command| is_it(command)).count()
    };
    let start = |command: &MediaCommand| matches!(command, MediaCommand::StartTap { .. });
    let stop = |command: &MediaCommand| matches!(command, MediaCommand::StopTap { .. });
    assert_eq!((taps(&rig, start), taps(&rig, stop)), (2, 0), "the recording and the recognition");
    rig.press(call, "#");
    assert_eq!(taps(&rig, stop), 2);
    let finished = |effect: &Effect| {
        matches!(effect, Effect::StopRecognition { how: RecognitionStop::Finish, .. })
    };
    assert_eq!(rig.effects.iter().filter(|effect| finished(effect)).count(), 1);
}

#[test]
fn a_call_that_waits_for_a_text_keeps_no_caller_out() {
    let mut rig = rig(1);
    let call = answered(&mut rig, RECORD);
    let recognition = started(&rig);
    assert_eq!(rig.invite(&Invite::default()), [503], "it is up");
    hang_up(&mut rig);
    rig.settle_recordings();
    rig.let_go();
    assert_eq!(rig.control.calls_live(), 1, "its text is not there");
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    assert_eq!(rig.invite(&Invite::default()), [503], "the new one is up");
    ends(&mut rig, call, recognition);
    rig.let_go();
    assert_eq!(rig.control.calls_live(), 1);
    assert_eq!(rig.invite(&Invite::default()), [503]);
}
