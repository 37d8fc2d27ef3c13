//! One refusal, every audience: answer, notification, timeline and the table of rules say the same,
//! and an unauthenticated peer reads at most a generic phrase (ARCHITECTURE.md I9).

use shared::Transport;
use shared::limits::DIGEST_FAILURES_A_MINUTE_MAX;
use shared::refusal::generic_phrase;

use super::overload::EVERYWHERE;
use super::rig::{Book, CALLER, Invite, PASSWORD, Rig, header, sdp};
use crate::Input;

/// Who gets to read the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// Reads the sentence and the code.
    Known,
    /// Reads the generic phrase.
    Unauthenticated,
    /// Reads nothing.
    Nobody,
}

/// Holds the last refusal to what everybody else was told.
fn told(rig: &Rig, rule: &str, peer: Peer) {
    let refusal = rig.refusals.last().expect("a refusal was observed");
    assert_eq!(refusal.rule, rule);
    let sentence = &*refusal.sentence;
    if peer == Peer::Nobody {
        assert_eq!(refusal.status, None, "{rule} is silent");
    } else {
        let response = rig.last_response();
        assert_eq!(Some(response.status), refusal.status, "{rule}");
        assert_eq!(&*response.reason.to_lossy(), generic_phrase(response.status), "{rule}");
        let is_told = peer == Peer::Known;
        let error = refusal.code.filter(|_| is_told).map(|code| format!("{code} {sentence}"));
        assert_eq!(header(response, "X-Twilio-Error"), error, "{rule}");
        let warning = header(response, "Warning");
        let quoted = format!("\"{}\"", sentence.replace('"', "'"));
        assert_eq!(warning.is_some_and(|warning| warning.contains(&quoted)), is_told, "{rule}");
        assert!(is_told || header(response, "Warning").is_none(), "{rule}");
    }
    let written = rig.notifications.last().map(|note| (note.error_code, note.message.as_str()));
    let on_an_account = refusal.code.is_some() && rule != "digest_locked_out";
    let expected = refusal.code.filter(|_| on_an_account).map(|code| (code, sentence));
    assert_eq!(written, expected, "{rule}: the notification");
    for timeline in &rig.timelines {
        let sentence = serde_json::to_string(sentence).expect("text");
        assert!(timeline.contains(sentence.trim_matches('"')), "{rule}: {timeline}");
        assert!(timeline.contains(&format!("(rule {rule}, ")), "{rule}: {timeline}");
    }
}

#[test]
fn a_refused_caller_learns_as_much_as_it_has_proved() {
    let elsewhere = Invite::to("sip:1000@nobody.sip.sidetone.test");
    let mut rig = Rig::new(Book::with_credentials());
    rig.invite(&elsewhere);
    told(&rig, "unknown_domain", Peer::Nobody);
    let mut rig = Rig::new(Book::with_credentials());
    rig.come_from(Transport::Tls, CALLER);
    rig.invite(&elsewhere);
    told(&rig, "unknown_domain", Peer::Unauthenticated);

    let mut rig = Rig::new(Book::with_ip_list("192.0.2.1"));
    rig.invite(&Invite::default());
    told(&rig, "source_not_listed", Peer::Nobody);
    let mut rig = Rig::new(Book::new());
    rig.invite(&Invite::default());
    told(&rig, "domain_without_authentication", Peer::Unauthenticated);
    let mut book = Book::with_credentials();
    book.change_account(|account| account.status = store::AccountStatus::Suspended);
    let mut rig = Rig::new(book);
    rig.invite(&Invite::default());
    told(&rig, "account_inactive", Peer::Unauthenticated);

    let mut rig = Rig::new(Book::with_credentials());
    rig.invite_as(&Invite::default(), "alice", "Wrong-Passw0rd");
    told(&rig, "wrong_credentials", Peer::Unauthenticated);
    let mut rig = Rig::new(Book::with_credentials());
    rig.invite_as(&Invite::default(), "nobody", PASSWORD);
    told(&rig, "wrong_credentials", Peer::Unauthenticated);
    let mut rig = Rig::new(Book::with_credentials());
    let broken = Invite::header("Proxy-Authorization: Digest realm=\"sip.sidetone.test\"");
    rig.invite(&broken);
    told(&rig, "credentials_broken", Peer::Unauthenticated);
}

#[test]
fn a_pair_that_is_locked_out_is_written_to_no_account() {
    let mut rig = Rig::new(Book::with_credentials());
    for _ in 0..DIGEST_FAILURES_A_MINUTE_MAX {
        rig.invite_as(&Invite::default(), "alice", "Wrong-Passw0rd");
    }
    rig.notifications.clear();
    rig.invite_as(&Invite::default(), "alice", PASSWORD);
    told(&rig, "digest_locked_out", Peer::Nobody);
}

#[test]
fn who_may_call_reads_why_this_call_is_refused() {
    let listed = || Book::with_ip_list("192.0.2.7");
    let mut secure = listed();
    secure.change_domain(|domain| domain.secure = true);
    let mut mute = listed();
    mute.change_domain(|domain| domain.voice_url = None);
    let other_codec = Invite { sdp: sdp("RTP/AVP 18", ""), ..Invite::default() };
    let no_offer = Invite { sdp: String::new(), ..Invite::default() };
    let cases = [
        (secure, Invite::default(), "secure_domain_needs_tls"),
        (mute, Invite::default(), "no_voice_url"),
        (listed(), other_codec, "sdp_no_codec"),
        (listed(), no_offer, "no_offer"),
        (listed(), Invite { hops: 0, ..Invite::default() }, "max_forwards"),
        (listed(), Invite::header("Require: chess"), "extension_required"),
    ];
    for (book, invite, rule) in cases {
        let mut rig = Rig::new(book);
        rig.invite(&invite);
        told(&rig, rule, Peer::Known);
    }
}

#[test]
fn a_temporary_refusal_is_explained_to_an_admitted_caller() {
    let listed = || Rig::new(Book::with_ip_list("192.0.2.7"));
    let mut rig = Rig::with_settings(Book::with_ip_list("192.0.2.7"), |s| s.calls_max = 1);
    rig.invite(&Invite::default());
    rig.invite(&Invite::default());
    told(&rig, "calls_limit", Peer::Known);
    let mut rig = listed();
    rig.invite(&Invite::default());
    rig.tell(Input::Overload(EVERYWHERE));
    rig.invite(&Invite::default());
    told(&rig, "overload", Peer::Known);
    let mut rig = listed();
    rig.tell(Input::Drain);
    rig.invite(&Invite::default());
    told(&rig, "draining", Peer::Known);
}
