//! Calls in the house, and the model of each: whom it rings, what comes of it, who hears whom, what is
//! told to the application, and how its records end.

use std::time::Duration;

use shared::{CallSid, Direction, Instant};
use sip::{Command, SessionId};
use store::{CallDirection, CallStatus};

use super::ground::RINGS_S;
use super::house::House;
use super::party::{Manner, Over, Party};
use super::transfers;

/// A call that is up, as the model knows it.
#[derive(Clone, Copy, Debug)]
pub struct Up {
    pub caller: (usize, SessionId),
    pub callee: (usize, SessionId),
    /// The document answered when the called party did.
    pub on_bridge: bool,
    /// An attended transfer made it.
    pub is_joined: bool,
    /// Of the caller, where the call is as it began; `None` after a transfer.
    pub sid: Option<CallSid>,
    /// When the called party answered.
    pub at: Instant,
}

impl Up {
    pub fn parties(&self) -> [(usize, SessionId); 2] {
        [self.caller, self.callee]
    }
}

/// What must come of ringing somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered(usize),
    /// With the `DialCallStatus`.
    Failed(&'static str),
}

/// Somebody calls somebody; things happen in the call; it ends.
pub fn play(house: &mut House) {
    let caller = house.rng.below(house.parties.len() as u64) as usize;
    let users = ["alice", "bob", "carol", "dave"];
    let user = users[house.rng.below(4) as usize];
    let on_bridge = house.rng.permille(500);
    let is_same = house.parties[caller].user == user;
    // Where a phone is about to find out that nobody hears it, who rings is a matter of luck.
    let all_heard = (0..house.parties.len()).all(|party| house.is_heard(party));
    if is_same || !all_heard || !house.book.is_certain(house.now.mono, user) {
        return;
    }
    if house.rng.permille(200) {
        return give_up(house, caller, user, on_bridge);
    }
    let Some(mut up) = ring(house, caller, user, on_bridge, &[]) else {
        return house.nothing_is_up();
    };
    for _ in 0..house.rng.below(5) {
        match house.rng.below(8) {
            0..4 => offer(house, &up),
            4 => offer_with_refresh(house, &up),
            5 => {
                let step_ms = house.rng.below(14_400_000) as i64 - 7_200_000;
                house.set_clock(step_ms);
            }
            6 => house.run_about(0, 1_500),
            _ => match transfers::play(house, &up) {
                Some(next) => up = next,
                None => return,
            },
        }
        house.run(SETTLES);
        check_hearing(house, &[up]);
    }
    end(house, &up);
}

/// Rings a user and holds what comes of it to the model.
/// `beside`: what is up meanwhile, and stays as it is.
pub fn ring(
    house: &mut House,
    caller: usize,
    user: &str,
    on_bridge: bool,
    beside: &[Up],
) -> Option<Up> {
    let outcome = prepare(house, user);
    let rang = Rang::before(house, user);
    let (since, begun_at) = (house.asked.len(), house.now.mono);
    let kind = if on_bridge { "bridge" } else { "plain" };
    house.note(|| format!("{caller} calls {kind}-{user}: {outcome:?} must come of it"));
    let (session, command) = house.parties[caller].call(&format!("{kind}-{user}"));
    house.does(caller, command);
    house.run(Duration::from_secs(RINGS_S + 30));
    rang.check(house, outcome);
    let asked = house.asked.get(since..).unwrap_or_default().to_vec();
    let Some(first) = asked.first() else {
        house.is_wrong(format!("{caller}'s call asked nobody for a document"));
        return None;
    };
    let sid = first.call;
    let paths: Vec<String> = asked
        .iter()
        .map(|asked| {
            let outcome = match asked.path.as_str() {
                "next" => asked.value("DialCallStatus"),
                "status" => asked.value("CallStatus"),
                _ => "",
            };
            format!("{} {outcome}", asked.path)
        })
        .collect();
    let call = &house.parties[caller].calls[&session];
    let (is_up, over) = (call.is_up && call.is_live(), call.over);
    match outcome {
        Outcome::Answered(callee) => {
            if !is_up || paths != ["voice "] {
                house.is_wrong(format!("an answered caller is {over:?}, told: {paths:?}"));
                return None;
            }
            let calls = &house.parties[callee].calls;
            let ringing = calls.iter().rev().find(|(_, call)| call.is_incoming && call.is_live());
            let Some((answered, _)) = ringing else {
                house.is_wrong(format!("{callee} answered and has no call"));
                return None;
            };
            let callee = (callee, *answered);
            let (caller, own) = ((caller, session), Some(sid));
            let up = Up { caller, callee, on_bridge, is_joined: false, sid: own, at: begun_at };
            check_hearing(house, &[beside, &[up]].concat());
            check_statuses(house, sid, CallStatus::InProgress, &[CallStatus::InProgress]);
            Some(up)
        }
        Outcome::Failed(status) => {
            let ends = match on_bridge {
                true => status,
                false => "completed",
            };
            let expected =
                ["voice ".to_owned(), format!("next {status}"), format!("status {ends}")];
            if paths != expected {
                house.is_wrong(format!("the application was told {paths:?}, not {expected:?}"));
            }
            let is_right = match over {
                Some(Over::Refused(_)) => on_bridge,
                Some(Over::ByPeer) => !on_bridge,
                _ => false,
            };
            if !is_right {
                house.is_wrong(format!("a caller whose call failed is {over:?}"));
            }
            None
        }
    }
}

/// The caller hangs up before anybody knows what comes of it: all of it ends, in whatever order the
/// CANCEL, the answers and the BYE meet.
fn give_up(house: &mut House, caller: usize, user: &str, on_bridge: bool) {
    prepare(house, user);
    let since = house.asked.len();
    let kind = if on_bridge { "bridge" } else { "plain" };
    let (session, command) = house.parties[caller].call(&format!("{kind}-{user}"));
    house.does(caller, command);
    let after = Duration::from_millis(match house.rng.below(3) {
        0 => house.rng.below(1_000),
        1 => 2_000 + house.rng.below(700),
        _ => house.rng.below(20_000),
    });
    house.does_later(after, caller, Command::Bye { session, headers: Vec::new() });
    house.run(after + SETTLES);
    house.nothing_is_up();
    let told = house.asked.get(since..).unwrap_or_default();
    let times = |path: &str| told.iter().filter(|asked| asked.path == path).count();
    let (status, next) = (times("status"), times("next"));
    if status != usize::from(!told.is_empty()) || next > 1 {
        house.is_wrong(format!("who gave up was reported {status} times, next {next} times"));
    }
}

/// Says what each phone of a user does about a call, and so what must come of it.
pub fn prepare(house: &mut House, user: &str) -> Outcome {
    let mut left = house.book.of(house.now.mono, user).len();
    let mut acts = Vec::new();
    let mut slots = vec![2_000, 9_000, 16_000];
    for party in 0..house.parties.len() {
        if house.parties[party].user != user {
            continue;
        }
        let after_ms = slots.remove(house.rng.below(slots.len() as u64) as usize);
        let manner = match house.rng.below(6) {
            0 => Manner::Ignores,
            1 | 2 => {
                let status = [486, 480, 603, 600, 404][house.rng.below(5) as usize];
                Manner::Refuses { after_ms, status }
            }
            _ => Manner::Answers { after_ms },
        };
        house.parties[party].manner = manner;
        if !is_reached(house, party) {
            continue;
        }
        match manner {
            Manner::Ignores => {}
            _ if !house.parties[party].is_idle() => acts.push((0, party, Some(486))),
            Manner::Answers { after_ms } => acts.push((after_ms, party, None)),
            Manner::Refuses { after_ms, status } => acts.push((after_ms, party, Some(status))),
        }
    }
    if left == 0 {
        return Outcome::Failed("failed");
    }
    acts.sort_unstable();
    let mut best: Option<u16> = None;
    for (_, party, status) in acts {
        let Some(status) = status else { return Outcome::Answered(party) };
        left -= 1;
        if best.is_none_or(|best| rank(status) < rank(best)) {
            best = Some(status);
        }
        if status >= 600 || left == 0 {
            return Outcome::Failed(dial_status(best.unwrap_or(status)));
        }
    }
    Outcome::Failed("no-answer")
}

/// Whether a call to a phone's user arrives at the phone.
fn is_reached(house: &House, party: usize) -> bool {
    let user = house.parties[party].user;
    let mut rows = house.disk.bindings.values();
    rows.any(|row| row.user == user && house.reaches(party, row))
}

/// A refusal for all, then what a person did, then the rest.
const fn rank(status: u16) -> u8 {
    match status {
        600.. => 0,
        486 | 480 | 487 => 1,
        _ => 2,
    }
}

const fn dial_status(status: u16) -> &'static str {
    match status {
        486 | 600 => "busy",
        480 | 487 | 603 => "no-answer",
        _ => "failed",
    }
}

/// How often each phone rang so far, and whether it must ring now.
pub struct Rang(Vec<(usize, bool)>);

impl Rang {
    pub fn before(house: &House, user: &str) -> Self {
        let must = |(number, phone): (usize, &Party)| {
            let must = phone.user == user && phone.is_idle() && is_reached(house, number);
            (incoming(phone), must)
        };
        Self(house.parties.iter().enumerate().map(must).collect())
    }

    /// Every phone of the user that can be reached rang once, and no other; who did not get the call
    /// is told so.
    pub fn check(&self, house: &mut House, outcome: Outcome) {
        let mut wrong = Vec::new();
        for (party, (before, must)) in self.0.iter().copied().enumerate() {
            let phone = &house.parties[party];
            let rang = incoming(phone) - before;
            if rang != usize::from(must) {
                wrong.push(format!("phone {party} rang {rang} times, it must: {must}"));
            }
            if rang == 0 {
                continue;
            }
            let last = phone.calls.values().rev().find(|call| call.is_incoming);
            let over = last.and_then(|call| call.over);
            let is_right = match phone.manner {
                _ if outcome == Outcome::Answered(party) => over.is_none(),
                Manner::Refuses { .. } => {
                    matches!(over, Some(Over::ByUs | Over::Canceled))
                }
                Manner::Answers { .. } | Manner::Ignores => over == Some(Over::Canceled),
            };
            if !is_right {
                wrong.push(format!("phone {party} is {over:?} where {outcome:?} came of it"));
            }
        }
        wrong.into_iter().for_each(|text| house.is_wrong(text));
    }
}

fn incoming(phone: &Party) -> usize {
    phone.calls.values().filter(|call| call.is_incoming).count()
}

/// One or both offer something else, or the same again.
fn offer(house: &mut House, up: &Up) {
    let both = house.rng.permille(300);
    let first = house.rng.below(2) as usize;
    for (at, (party, session)) in up.parties().into_iter().enumerate() {
        if both || at == first {
            reoffer(house, party, session);
        }
    }
}

fn reoffer(house: &mut House, party: usize, session: SessionId) {
    let direction = match house.rng.below(6) {
        0 => Direction::SendOnly,
        1 => Direction::RecvOnly,
        2 => Direction::Inactive,
        _ => Direction::SendRecv,
    };
    let moves = house.rng.permille(300);
    if let Some(command) = house.parties[party].reoffer(session, direction, moves) {
        house.note(|| format!("{party} offers {}", direction.name()));
        house.does(party, command);
    }
}

/// The called party offers in the moment in which the gateway refreshes the session: glare.
fn offer_with_refresh(house: &mut House, up: &Up) {
    let refresh_at = up.at + Duration::from_secs(900);
    let pause = refresh_at.since(house.now.mono);
    house.run(pause);
    let later = Duration::from_millis(house.rng.below(20_000));
    house.run(later);
    reoffer(house, up.callee.0, up.callee.1);
}

/// Of all calls that are up, these parties hear each other, as far as both want it, and nobody else does.
pub fn check_hearing(house: &mut House, ups: &[Up]) {
    let mut wrong = Vec::new();
    for party in 0..house.parties.len() {
        for session in house.parties[party].live() {
            let call = &house.parties[party].calls[&session];
            if call.asked.is_some() {
                wrong.push(format!("{party} was never told what came of its offer"));
            }
            let other = ups.iter().find_map(|up| {
                let [one, other] = up.parties();
                let is_one = one == (party, session);
                if is_one { Some(other) } else { (other == (party, session)).then_some(one) }
            });
            let expected = other.filter(|(other, session)| {
                let listens = house.parties[*other].calls.get(session);
                call.direction.sends() && listens.is_some_and(|call| call.direction.receives())
            });
            let heard = house.hears(party, session);
            if heard != expected {
                wrong.push(format!("{party} is heard by {heard:?}, must be by {expected:?}"));
            }
        }
    }
    wrong.into_iter().for_each(|text| house.is_wrong(text));
}

/// Somebody hangs up, or the gateway is killed.
fn end(house: &mut House, up: &Up) {
    if house.rng.permille(200) {
        return end_by_kill(house, up);
    }
    let Some(sid) = up.sid else { return end_transferred(house, up) };
    let who = house.rng.below(2) as usize;
    let (since, ends_at) = (house.asked.len(), house.now.mono);
    let (party, session) = up.parties()[who];
    house.does(party, Command::Bye { session, headers: Vec::new() });
    house.run(SETTLES);
    let other = up.parties()[1 - who];
    for ((party, session), expected) in [((party, session), Over::ByUs), (other, Over::ByPeer)] {
        let over = house.parties[party].calls[&session].over;
        if over != Some(expected) {
            house.is_wrong(format!("{party}'s call ended by {over:?}, not {expected:?}"));
        }
    }
    let asked = house.asked[since..].to_vec();
    let told: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    let mut sorted = told.clone();
    sorted.sort_unstable();
    if sorted != ["next", "status"] || (who == 1 && told != ["next", "status"]) {
        house.is_wrong(format!("at the end of a call the application was told {told:?}"));
    }
    for asked in &asked {
        let status =
            asked.value(if asked.path == "next" { "DialCallStatus" } else { "CallStatus" });
        if status != "completed" || asked.call != sid {
            house.is_wrong(format!("{} was told {status}", asked.path));
        }
    }
    check_statuses(house, sid, CallStatus::Completed, &[CallStatus::Completed]);
    let lasted_s = ends_at.since(up.at).as_secs();
    let says_s = house.disk.records[&sid].duration_s.map(u64::from);
    let is_right =
        says_s.is_some_and(|says| says <= lasted_s + 6 && says + RINGS_S + 8 >= lasted_s);
    if !is_right {
        house.is_wrong(format!("a call of about {lasted_s} s says {says_s:?}"));
    }
    house.nothing_is_up();
}

/// Whoever hangs up after a transfer, the other one is told.
fn end_transferred(house: &mut House, up: &Up) {
    let who = house.rng.below(2) as usize;
    let ((party, session), other) = (up.parties()[who], up.parties()[1 - who]);
    house.does(party, Command::Bye { session, headers: Vec::new() });
    house.run(SETTLES);
    for ((party, session), expected) in [((party, session), Over::ByUs), (other, Over::ByPeer)] {
        let over = house.parties[party].calls[&session].over;
        if over != Some(expected) {
            house.is_wrong(format!("{party}'s call ended by {over:?}, not {expected:?}"));
        }
    }
    house.nothing_is_up();
}

/// The process dies in the middle: the phones find out when they say something, the records say that
/// the call was cut.
fn end_by_kill(house: &mut House, up: &Up) {
    let down = Duration::from_millis(500 + house.rng.below(20_000));
    house.kill_gateway(down);
    house.run(down + SETTLES);
    for (party, session) in up.parties() {
        house.does(party, Command::Bye { session, headers: Vec::new() });
    }
    house.run(SETTLES);
    for (party, session) in up.parties() {
        let over = house.parties[party].calls[&session].over;
        if !matches!(over, Some(Over::ByUs | Over::Lost)) {
            house.is_wrong(format!("{party}'s call that was cut ended by {over:?}"));
        }
    }
    if let Some(sid) = up.sid {
        check_statuses(house, sid, CallStatus::Failed, &[CallStatus::Failed]);
    }
    house.nothing_is_up();
}

fn check_statuses(house: &mut House, sid: CallSid, own: CallStatus, children: &[CallStatus]) {
    let records = &house.disk.records;
    let status = records.get(&sid).map(|record| record.status);
    let of_parent = records.values().filter(|record| record.parent == Some(sid));
    let found: Vec<CallStatus> = of_parent.map(|record| record.status).collect();
    if status != Some(own) || found != children {
        house.is_wrong(format!("records say {status:?} {found:?}, not {own:?} {children:?}"));
    }
}

/// Every call there ever was has one end, in order, whatever the clock did.
pub fn check_records(house: &mut House) {
    let mut wrong = Vec::new();
    for record in house.disk.records.values() {
        let (sid, status) = (record.sid, record.status);
        if !status.is_final() {
            wrong.push(format!("{sid} is {} for ever", status.name()));
        }
        if house.disk.endings.get(&sid) != Some(&1) {
            wrong.push(format!("{sid} ended {:?} times", house.disk.endings.get(&sid)));
        }
        if record.start_ms.is_none() || record.start_ms > record.end_ms {
            let (start, end) = (record.start_ms, record.end_ms);
            wrong.push(format!("{sid} began {start:?} and ended {end:?}"));
        }
        let told = house.asked.iter().filter(|asked| asked.call == sid && asked.path == "status");
        let most = usize::from(record.direction == CallDirection::Inbound);
        if told.count() > most {
            wrong.push(format!("{sid} was reported more than once"));
        }
    }
    wrong.into_iter().for_each(|text| house.is_wrong(text));
}

/// In so much time everything that was asked is answered, whatever was lost on the way.
pub const SETTLES: Duration = Duration::from_secs(40);
