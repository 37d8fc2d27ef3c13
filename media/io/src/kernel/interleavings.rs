//! Every interleaving of two processors that run the program and a gateway that gives, takes and sends, by
//! exhaustion: a model of one entry around the real [`Word`]. Test only.
//!
//! The steps are those that another side can observe: reading the word, reading the rule, raising `entered`,
//! the exchange, sending, raising `packets`; and on the gateway's side the clearing of the bit, each half of the check that
//! the leg is settled, writing the rule, writing the word. Packets of the party come in any order that two processors
//! can make of it. What `relay.c` and `Entry` do with memory is done here with plain values.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::word::Word;

/// Packets that the party sends, numbered from 0.
const PACKETS: u16 = 3;
/// Times that the gateway gives the leg, the first included, and packets of its own.
const GIFTS: u16 = 3;
const OWN_PACKETS: u16 = 1;
/// First number that leaves.
const FIRST: u32 = 0x1_0000;

/// What a program needs of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Rule {
    delta: u16,
    floor: u32,
}

/// A processor, and where it is in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Program {
    Idle,
    Arrived { packet: u16 },
    WordRead { packet: u16, word: Word },
    RuleRead { packet: u16, word: Word, rule: Rule },
    Entered { packet: u16, word: Word, rule: Rule },
    Failed { packet: u16, seen: Word, word: Word, rule: Rule },
    Committed { number: u16 },
    Sent,
}

/// The thread that owns the leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gateway {
    /// It sends, what went up included: the next number, and the map of the party's packets when they feed the stream.
    Holds { next: u32, map: Option<Rule> },
    /// It checks that the leg is settled.
    ReadEntered { next: u32, map: Rule, entered: i32 },
    /// It has written the rule and not the word.
    RuleWritten { next: u32, map: Rule },
    /// The program sends, by this map.
    Gave { map: Rule },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    word: Word,
    rule: Rule,
    entered: i32,
    packets: i32,
    programs: [Program; 2],
    gateway: Gateway,
    /// Packets that the party has not sent.
    coming: u16,
    /// Packets in the gateway's socket, oldest first.
    socket: Vec<u16>,
    /// Numbers that left, with the number of times.
    sent: BTreeMap<u16, u8>,
    /// Numbers of the party's packets that were dropped as late.
    dropped: BTreeSet<u16>,
    /// Packets that the program sent, for the figures.
    relayed: i32,
    /// Highest packet that the gateway knows to be sent.
    highest: Option<u16>,
    generation: u16,
    own: u16,
}

impl State {
    fn new() -> Self {
        let rule = Rule { delta: 0, floor: FIRST };
        Self {
            word: Word::on(1, FIRST),
            rule,
            entered: 0,
            packets: 0,
            programs: [Program::Idle; 2],
            gateway: Gateway::Gave { map: rule },
            coming: 0,
            socket: Vec::new(),
            sent: BTreeMap::new(),
            dropped: BTreeSet::new(),
            relayed: 0,
            highest: None,
            generation: 1,
            own: 0,
        }
    }

    /// Everything that may happen next.
    fn next(&self) -> Vec<Self> {
        let mut next = Vec::new();
        let mut step = |change: &dyn Fn(&mut Self)| {
            let mut state = self.clone();
            change(&mut state);
            next.push(state);
        };
        for at in 0..self.programs.len() {
            if self.programs[at] != Program::Idle {
                step(&|state| state.program_steps(at));
            } else if self.coming < PACKETS {
                step(&|state| {
                    state.programs[at] = Program::Arrived { packet: state.coming };
                    state.coming += 1;
                });
            }
        }
        match self.gateway {
            Gateway::Gave { .. } => step(&|state| state.take()),
            Gateway::Holds { next, map } => {
                if self.own < OWN_PACKETS {
                    step(&|state| state.send_own(next));
                }
                if let Some(map) = map
                    && self.generation < GIFTS
                {
                    step(&|state| {
                        state.gateway = Gateway::ReadEntered { next, map, entered: state.entered }
                    });
                }
            }
            Gateway::ReadEntered { .. } => step(&|state| state.settle()),
            Gateway::RuleWritten { next, map } => step(&|state| {
                state.generation += 1;
                state.word = Word::on(state.generation, next);
                state.gateway = Gateway::Gave { map };
            }),
        }
        // A packet that went up while the program sends waits until the leg is taken back, which may be the next step.
        if !self.socket.is_empty() && matches!(self.gateway, Gateway::Holds { .. }) {
            step(&|state| state.relay_as_holder());
        }
        next
    }

    fn program_steps(&mut self, at: usize) {
        self.programs[at] = match self.programs[at] {
            Program::Idle => Program::Idle,
            Program::Arrived { packet } if !self.word.is_on() => self.up(packet),
            Program::Arrived { packet } => Program::WordRead { packet, word: self.word },
            Program::WordRead { packet, word } => {
                Program::RuleRead { packet, word, rule: self.rule }
            }
            Program::RuleRead { packet, word, rule } => {
                let number = packet.wrapping_add(rule.delta);
                if word.over(number).is_none() {
                    self.up(packet)
                } else {
                    self.entered += 1;
                    Program::Entered { packet, word, rule }
                }
            }
            Program::Entered { packet, word, rule } => {
                let number = packet.wrapping_add(rule.delta);
                if self.word == word {
                    self.word = word.over(number).expect("looked at before");
                    Program::Committed { number }
                } else {
                    Program::Failed { packet, seen: self.word, word, rule }
                }
            }
            Program::Failed { packet, seen, word, rule } => {
                self.entered -= 1;
                if (seen.bits() ^ word.bits()) >> 32 != 0 {
                    self.up(packet)
                } else {
                    Program::RuleRead { packet, word: seen, rule }
                }
            }
            Program::Committed { number } => {
                self.send(number);
                self.relayed += 1;
                Program::Sent
            }
            Program::Sent => {
                self.packets += 1;
                Program::Idle
            }
        };
    }

    fn up(&mut self, packet: u16) -> Program {
        self.socket.push(packet);
        Program::Idle
    }

    fn send(&mut self, number: u16) {
        *self.sent.entry(number).or_default() += 1;
    }

    fn take(&mut self) {
        let Gateway::Gave { map } = self.gateway else { unreachable!() };
        let next = self.word.next();
        self.word = self.word.off();
        self.gateway = Gateway::Holds { next, map: Some(map) };
    }

    /// A packet of the gateway's own: another feed, so that the party's packets get another map.
    fn send_own(&mut self, next: u32) {
        self.send(next as u16);
        self.own += 1;
        // Figures of the program say how far the party's stream came.
        let Gateway::Holds { map, .. } = self.gateway else { unreachable!() };
        if let Some(map) = map {
            let newest = (next.wrapping_sub(1) as u16).wrapping_sub(map.delta);
            let any = next != map.floor;
            self.highest = if any { Some(newest) } else { self.highest };
        }
        self.gateway = Gateway::Holds { next: next + 1, map: None };
    }

    fn settle(&mut self) {
        let Gateway::ReadEntered { next, map, entered } = self.gateway else { unreachable!() };
        if entered != self.packets {
            self.gateway = Gateway::Holds { next, map: Some(map) };
            return;
        }
        assert_eq!(self.packets, self.relayed, "settled, and a packet is not counted");
        let is_inside =
            |program: &Program| matches!(program, Program::Committed { .. } | Program::Sent);
        assert!(!self.programs.iter().any(is_inside), "settled, and a program is inside");
        self.rule = map;
        self.gateway = Gateway::RuleWritten { next, map };
    }

    /// As `Numbers::relay` in the plane, which anchors a new feed on its first packet.
    fn relay_as_holder(&mut self) {
        let Gateway::Holds { next, map } = self.gateway else { unreachable!() };
        let packet = self.socket.remove(0);
        let map = match map {
            Some(map) => map,
            // A packet from before the switch cannot anchor the new map.
            None if self.highest.is_some_and(|highest| packet <= highest) => {
                self.dropped.insert(packet);
                return;
            }
            None => Rule { delta: (next as u16).wrapping_sub(packet), floor: next },
        };
        let number = packet.wrapping_add(map.delta);
        let ahead = number.wrapping_sub(next as u16) as i16;
        let extended = next.wrapping_add_signed(ahead.into());
        if extended < map.floor {
            // Another feed may have used that number.
            self.dropped.insert(packet);
            return;
        }
        self.send(number);
        self.gateway = Gateway::Holds { next: next.max(extended + 1), map: Some(map) };
    }

    fn check(&self) {
        for (number, times) in &self.sent {
            assert_eq!(*times, 1, "number {number} was sent {times} times");
        }
        assert!(self.entered >= self.packets, "a program left that did not enter");
        assert!(self.packets <= self.relayed);
    }

    /// At rest every packet was sent or dropped, and no number below the next is missing.
    fn check_at_rest(&self) {
        let is_idle = self.programs.iter().all(|program| *program == Program::Idle);
        if !is_idle || self.coming < PACKETS || !self.socket.is_empty() {
            return;
        }
        let next = match self.gateway {
            Gateway::Holds { next, .. } => next,
            Gateway::Gave { .. } => self.word.next(),
            Gateway::ReadEntered { .. } | Gateway::RuleWritten { .. } => return,
        };
        let sent = self.sent.len() + self.dropped.len();
        assert_eq!(sent, usize::from(PACKETS + self.own), "a packet is lost: {self:?}");
        assert_eq!(self.entered, self.packets, "nobody is inside");
        let missing: Vec<u32> =
            (FIRST..next).filter(|number| !self.sent.contains_key(&(*number as u16))).collect();
        // A packet that was overtaken, and dropped after the switch, leaves its hole (I8).
        assert!(missing.len() <= self.dropped.len(), "{missing:?} were skipped: {self:?}");
    }
}

#[test]
fn in_every_interleaving_no_number_is_sent_twice_and_none_is_skipped() {
    let mut seen = HashSet::from([State::new()]);
    let mut unvisited = vec![State::new()];
    let mut given_anew = 0;
    while let Some(state) = unvisited.pop() {
        state.check();
        state.check_at_rest();
        given_anew += u32::from(state.generation > 1 && state.relayed > 0);
        for next in state.next() {
            if seen.insert(next.clone()) {
                unvisited.push(next);
            }
        }
    }
    assert!(seen.len() > 10_000, "only {} states were reached", seen.len());
    assert!(given_anew > 1_000, "the program hardly ran after a second gift: {given_anew}");
    println!("{} states", seen.len());
}
