//! Whole calls, and what becomes of them when something breaks.

use crate::rig::{Book, Invite, Rig};

#[test]
fn an_invite_without_sdp_is_offered_ours_in_the_200() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    let invite = Invite { sdp: String::new(), ..Invite::default() };
    assert_eq!(rig.invite(&invite), [100, 180]);
    rig.answer_webhook("<Pause length=\"5\"/><Say>Hello.</Say>");
    rig.after(std::time::Duration::from_secs(5));
    assert_eq!(rig.last_response().status, 200);
    assert!(!rig.last_response().body.is_empty());
}
