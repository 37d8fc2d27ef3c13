//! INVITEs with Replaces: another phone takes the place of the one in a call.

use shared::{MediaCommand, Transport};
use store::CallStatus;

use super::rig::{Book, CALLER, Invite, Rig, header, sdp};

const DESK_PHONE: &str = CALLER;
const MOBILE: &str = "192.0.2.9:5060";

/// A call of the desk phone that waits for keys, acknowledged; and its `Replaces`, as another
/// phone is given it.
fn talking(book: Book) -> (Rig, String) {
    let mut rig = Rig::new(book);
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    rig.answer_webhook("<Gather timeout=\"600\"/>");
    rig.ack_last(&Invite::default());
    let answer = rig.last_response();
    assert_eq!(answer.status, 200);
    let tag = answer.to.tag().expect("ours").to_lossy().into_owned();
    let replaces = format!("{};to-tag={tag};from-tag=a1", answer.call_id);
    rig.come_from(Transport::Udp, MOBILE);
    (rig, replaces)
}

fn open_book() -> Book {
    let mut book = Book::with_ip_list("192.0.2.7");
    book.map_address("192.0.2.9");
    book
}

fn taking(replaces: &str) -> Invite {
    Invite { sdp: sdp("RTP/AVP 8", ""), ..Invite::header(&format!("Replaces: {replaces}")) }
}

#[test]
fn another_phone_takes_the_place_of_the_one_that_talks() {
    let (mut rig, replaces) = talking(open_book());
    let (records, webhooks) = (rig.records.len(), rig.http.len());
    let started = rig.media.len();
    let invite = Invite { headers: "Require: replaces\r\n".to_owned(), ..taking(&replaces) };
    let invite = Invite { headers: invite.headers + &taking(&replaces).headers, ..invite };
    assert_eq!(rig.invite(&invite), [100, 200]);
    assert_eq!(header(rig.last_response(), "Supported").as_deref(), Some("replaces"));
    rig.ack_last(&invite);
    assert_eq!(rig.requests(), ["BYE"], "to the phone that has left");
    let (to, _) = rig.sent.last().expect("the BYE");
    assert_eq!(to.to_string(), DESK_PHONE);
    let updated = rig.media[started..].iter().find_map(|command| match command {
        MediaCommand::UpdateLeg { plan, .. } => Some(plan.clone()),
        _ => None,
    });
    let plan = updated.expect("the leg goes on with the new phone");
    assert_eq!(plan.media.codec, shared::Codec::Pcma);
    assert_eq!(plan.signaling_peer, Some([192, 0, 2, 9].into()));
    assert_eq!((rig.records.len(), rig.http.len()), (records, webhooks), "no call begins or ends");
    rig.respond_to_last(200, "");
    assert_eq!(rig.control.calls_live(), 1, "what the old dialog says does not reach the call");
    rig.bye_last(&invite);
    rig.let_go();
    assert_eq!(rig.records.last().expect("a record").status, CallStatus::Completed);
    assert_eq!(rig.control.calls_live(), 0);
    let told = rig.timelines.last().expect("a timeline");
    assert!(told.contains("INVITE with Replaces from 192.0.2.9:5060"), "{told}");
}

#[test]
fn a_request_to_our_contact_is_admitted_by_the_domain_of_the_call() {
    let (mut rig, replaces) = talking(open_book());
    let contact = Invite { target: "sip:0123@198.51.100.1:5060", ..taking(&replaces) };
    assert_eq!(rig.invite(&contact), [100, 200]);
    let (mut rig, replaces) = talking(Book::with_ip_list("192.0.2.7"));
    let contact = Invite { target: "sip:0123@198.51.100.1:5060", ..taking(&replaces) };
    assert!(rig.invite(&contact).is_empty(), "its IP list does not have the source");
}

#[test]
fn what_replaces_does_not_mean_is_refused_and_the_call_goes_on() {
    let (mut rig, replaces) = talking(open_book());
    let cases = [
        (replaces.replace("from-tag=a1", "from-tag=a2"), 481),
        ("call1@example.org;to-tag=x;from-tag=a1".to_owned(), 481),
        (replaces.replace("to-tag", "x-tag").replace("from-tag", "to-tag"), 400),
        (format!("{replaces}\r\nReplaces: {replaces}"), 400),
        (format!("{replaces};early-only"), 486),
    ];
    for (replaces, status) in cases {
        assert_eq!(rig.invite(&taking(&replaces)), [status], "{replaces}");
    }
    let options = Invite { method: "OPTIONS", ..taking(&replaces) };
    assert_eq!(rig.invite(&options), [400]);
    let no_codec = Invite { sdp: sdp("RTP/AVP 18", ""), ..taking(&replaces) };
    assert_eq!(rig.invite(&no_codec), [488]);
    assert_eq!((rig.control.calls_live(), rig.requests().len()), (1, 0));
}

#[test]
fn a_call_of_another_account_is_as_unknown_as_one_that_is_not_there() {
    let mut book = open_book();
    book.add_foreign_account("other");
    let (mut rig, replaces) = talking(book);
    rig.come_from(Transport::Udp, CALLER);
    let target = "sip:1@other.sip.sidetone.test";
    assert_eq!(rig.invite(&Invite { target, ..taking(&replaces) }), [481]);
    assert_eq!(rig.refused.last(), Some(&"replaces_unknown"));
    assert_eq!(rig.control.calls_live(), 1);
}

#[test]
fn an_unanswered_call_is_not_taken_over() {
    let mut rig = Rig::new(open_book());
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    let tag = rig.last_response().to.tag().expect("ours").to_lossy().into_owned();
    let replaces = format!("call1@example.org;to-tag={tag};from-tag=a1");
    assert_eq!(rig.invite(&taking(&replaces)), [481]);
}
