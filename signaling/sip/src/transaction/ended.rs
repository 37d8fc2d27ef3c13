//! Server transactions that have answered and only wait for retransmissions of their request.
//! Sans-IO. There may be a million of them, so each keeps at most 256 bytes: what a copy of the
//! request does not say itself (`kept`). Each timer has one length, so a queue in the order of
//! arrival is its index.

use std::collections::{HashMap, VecDeque};

use shared::Instant;
use shared::limits::{SERVER_ANSWERS_BYTES_MAX, SERVER_TRANSACTION_ENDED_BYTES_MAX};

use super::kept::Kept;
use super::sources::Source;
use super::{MergeKey, ServerKey};
use crate::ids::SessionId;

/// All ended transactions.
#[derive(Debug)]
pub(crate) struct Ended {
    entries: HashMap<ServerKey, Entry>,
    /// Transactions under timer J or L (64·T1), in the order in which they expire.
    answered: VecDeque<ServerKey>,
    /// Transactions under timer I (T4), in the same order.
    confirmed: VecDeque<ServerKey>,
    large: Large,
}

/// What remains of one transaction.
#[derive(Debug)]
pub(crate) enum End {
    /// A 2xx to an INVITE was sent. The session repeats it; retransmissions of the INVITE end here
    /// (RFC 6026 §7.1).
    Accepted { session: SessionId, merge: Option<MergeKey> },
    /// Another final response to an INVITE has its ACK; copies of the ACK end here.
    Confirmed { merge: Option<MergeKey> },
    /// Any other request was answered.
    Answered(Box<Kept>),
    /// The answer was too large to be kept that long: copies of the request get nothing.
    Forgotten,
}

#[derive(Debug)]
struct Entry {
    ends_at: Instant,
    source: Source,
    end: End,
}

/// References to a transaction that is gone, for their owners to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Source of the request.
    pub source: Source,
    /// Key under which merged requests found it.
    pub merge: Option<MergeKey>,
}

/// Answers with more text than one ended transaction may hold: they share a common bound.
#[derive(Debug)]
struct Large {
    keys: VecDeque<ServerKey>,
    bytes: usize,
    bytes_max: usize,
    forgotten: u64,
}

impl Default for Ended {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            answered: VecDeque::new(),
            confirmed: VecDeque::new(),
            large: Large {
                keys: VecDeque::new(),
                bytes: 0,
                bytes_max: SERVER_ANSWERS_BYTES_MAX,
                forgotten: 0,
            },
        }
    }
}

impl End {
    /// The remains of a response, kept as far as its size allows.
    pub fn of(kept: Option<Kept>) -> Self {
        kept.map_or(Self::Forgotten, |kept| Self::Answered(Box::new(kept)))
    }

    fn merge(&self) -> Option<MergeKey> {
        match self {
            Self::Accepted { merge, .. } | Self::Confirmed { merge } => *merge,
            Self::Answered(_) | Self::Forgotten => None,
        }
    }

    /// Bytes that it takes from the bound of large answers; 0 for a small one.
    fn large_bytes(&self) -> usize {
        match self {
            Self::Answered(kept) if kept.text_bytes() > SMALL_TEXT_BYTES => {
                kept.text_bytes() + LARGE_KEY_BYTES
            }
            Self::Answered(_)
            | Self::Accepted { .. }
            | Self::Confirmed { .. }
            | Self::Forgotten => 0,
        }
    }
}

impl Ended {
    /// Ended transactions now.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Answers forgotten before their time, since the start.
    pub fn forgotten(&self) -> u64 {
        self.large.forgotten
    }

    /// What remains of the transaction with this key.
    pub fn get(&self, key: ServerKey) -> Option<&End> {
        self.entries.get(&key).map(|entry| &entry.end)
    }

    /// Adds an ended transaction.
    pub fn insert(&mut self, key: ServerKey, ends_at: Instant, source: Source, end: End) {
        let queue = match end {
            End::Confirmed { .. } => &mut self.confirmed,
            End::Accepted { .. } | End::Answered(_) | End::Forgotten => &mut self.answered,
        };
        queue.push_back(key);
        self.large.forgotten += u64::from(matches!(end, End::Forgotten));
        let bytes = end.large_bytes();
        let earlier = self.entries.insert(key, Entry { ends_at, source, end });
        debug_assert!(earlier.is_none(), "a transaction ends once");
        if bytes > 0 {
            self.large.keys.push_back(key);
            self.large.bytes += bytes;
            self.forget_large();
        }
    }

    /// When the next one expires.
    pub fn deadline(&self) -> Option<Instant> {
        let fronts = [self.answered.front(), self.confirmed.front()].into_iter().flatten();
        fronts.filter_map(|key| Some(self.entries.get(key)?.ends_at)).min()
    }

    /// Removes one whose time is over.
    pub fn next_gone(&mut self, now: Instant) -> Option<Gone> {
        let is_due = |key: &&ServerKey| self.entries.get(key).is_some_and(|it| it.ends_at <= now);
        let queue = if self.answered.front().filter(is_due).is_some() {
            &mut self.answered
        } else if self.confirmed.front().filter(is_due).is_some() {
            &mut self.confirmed
        } else {
            return None;
        };
        let key = queue.pop_front()?;
        let entry = self.entries.remove(&key)?;
        let bytes = entry.end.large_bytes();
        if bytes > 0 {
            // They expire in the order of arrival: all have the same timer.
            self.large.keys.pop_front();
            self.large.bytes = self.large.bytes.saturating_sub(bytes);
        }
        Some(Gone { source: entry.source, merge: entry.end.merge() })
    }

    /// Forgets the oldest first: their peers have had the most time to receive them.
    fn forget_large(&mut self) {
        while self.large.bytes > self.large.bytes_max {
            let Some(key) = self.large.keys.pop_front() else { return };
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            self.large.bytes = self.large.bytes.saturating_sub(entry.end.large_bytes());
            self.large.forgotten += 1;
            entry.end = End::Forgotten;
        }
    }
}

/// Bytes of text that one ended transaction may hold. Longer text counts against the bound of large
/// answers. A multiple of 16, the unit of the allocator.
const SMALL_TEXT_BYTES: usize = 16;
/// Bytes of a large answer in the queue of large ones, which at worst is half empty.
const LARGE_KEY_BYTES: usize = 2 * size_of::<ServerKey>();

/// At worst a table has just doubled and 7 of 16 places are taken, each with a byte of its own.
const fn in_table(bytes: usize) -> usize {
    ((bytes + 1) * 16).div_ceil(7)
}

/// Bytes in the tables that hold every ended transaction: this one, and half of a queue.
const TABLES_BYTES: usize = in_table(size_of::<(ServerKey, Entry)>()) + 2 * size_of::<ServerKey>();
/// Bytes of its answer, or of its entry among merged requests: none has both.
const KEPT_BYTES: usize = size_of::<Kept>().next_multiple_of(16) + SMALL_TEXT_BYTES;
const MERGED_BYTES: usize = in_table(size_of::<MergeKey>());
const _: () = assert!(TABLES_BYTES + KEPT_BYTES <= SERVER_TRANSACTION_ENDED_BYTES_MAX);
const _: () = assert!(TABLES_BYTES + MERGED_BYTES <= SERVER_TRANSACTION_ENDED_BYTES_MAX);

#[cfg(test)]
impl Ended {
    /// Bytes of all ended transactions now, without large answers.
    fn bytes(&self) -> usize {
        let places = self.entries.capacity().next_power_of_two();
        let small = |entry: &Entry| match &entry.end {
            End::Answered(kept) if entry.end.large_bytes() == 0 => {
                size_of::<Kept>() + kept.text_bytes()
            }
            End::Answered(_) => size_of::<Kept>(),
            End::Accepted { .. } | End::Confirmed { .. } | End::Forgotten => 0,
        };
        places * (size_of::<(ServerKey, Entry)>() + 1)
            + (self.answered.capacity() + self.confirmed.capacity()) * size_of::<ServerKey>()
            + self.entries.values().map(small).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, Response};
    use crate::transaction::sources::Sources;
    use std::time::Duration;

    const LATER: Duration = Duration::from_secs(32);

    #[test]
    fn an_ended_transaction_takes_at_most_256_bytes_whatever_it_was() {
        let text = |bytes: usize| End::of(Some(kept(bytes)));
        let (session, merge) = (SessionId(1), Some(MergeKey::test(1)));
        let kinds: [&dyn Fn() -> End; 6] = [
            &|| text(0),
            &|| text(SMALL_TEXT_BYTES),
            &|| text(SMALL_TEXT_BYTES + 1),
            &|| End::Accepted { session, merge },
            &|| End::Confirmed { merge },
            &|| End::Forgotten,
        ];
        for (kind, make) in kinds.into_iter().enumerate() {
            let mut ended = Ended::default();
            let mut merged = std::collections::HashSet::new();
            let (mut worst, mut grown) = (0, 0);
            for number in 1..=5_000_usize {
                let key = ServerKey::test(number as u64);
                ended.insert(key, Instant::ZERO + LATER, source(), make());
                if ended.get(key).is_some_and(|end| end.merge().is_some()) {
                    merged.insert(MergeKey::test(number as u64));
                }
                let room = ended.entries.capacity() + ended.answered.capacity();
                // The worst is where a table has just grown.
                if number >= 500 && (room != grown || number == 5_000) {
                    let places = merged.capacity().next_power_of_two();
                    let lines =
                        if merged.is_empty() { 0 } else { places * (size_of::<MergeKey>() + 1) };
                    worst = worst.max((ended.bytes() + lines).div_ceil(number));
                }
                grown = room;
            }
            assert!(worst <= SERVER_TRANSACTION_ENDED_BYTES_MAX, "kind {kind}: {worst} bytes");
            assert!(worst >= 60, "kind {kind}: {worst} bytes cannot be all");
        }
    }

    #[test]
    fn they_go_when_their_time_has_come_and_tell_how_merged_requests_found_them() {
        let mut ended = Ended::default();
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        let merge = Some(MergeKey::test(9));
        let (source, accepted) = (source(), End::Accepted { session: SessionId(1), merge });
        let gone = |merge| Some(Gone { source, merge });
        ended.insert(ServerKey::test(1), at(32), source, accepted);
        ended.insert(ServerKey::test(2), at(33), source, End::of(Some(kept(500))));
        ended.insert(ServerKey::test(3), at(6), source, End::Confirmed { merge: None });
        assert_eq!((ended.len(), ended.deadline()), (3, Some(at(6))));
        assert_eq!(ended.next_gone(at(5)), None);
        assert_eq!(ended.next_gone(at(32)), gone(merge));
        assert_eq!(ended.next_gone(at(32)), gone(None));
        assert_eq!((ended.next_gone(at(32)), ended.deadline()), (None, Some(at(33))));
        assert_eq!(ended.next_gone(at(33)), gone(None));
        assert_eq!((ended.len(), ended.large.bytes, ended.large.keys.len()), (0, 0, 0));
    }

    #[test]
    fn large_answers_share_a_bound_and_the_oldest_are_forgotten() {
        let mut ended = Ended::default();
        ended.large.bytes_max = 3_000;
        for number in 1..=100 {
            let (at, end) = (Instant::ZERO + LATER, End::of(Some(kept(900))));
            ended.insert(ServerKey::test(number), at, source(), end);
            assert!(ended.large.bytes <= 3_000);
        }
        assert_eq!((ended.len(), ended.forgotten()), (100, 97));
        let is_kept = |number| matches!(ended.get(ServerKey::test(number)), Some(End::Answered(_)));
        assert_eq!((1..=100).filter(|number| is_kept(*number)).collect::<Vec<_>>(), [98, 99, 100]);
        while ended.next_gone(Instant::ZERO + LATER).is_some() {}
        assert_eq!((ended.len(), ended.large.bytes, ended.large.keys.len()), (0, 0, 0));
    }

    fn source() -> Source {
        Sources::new([1; 32]).of([192, 0, 2, 1].into())
    }

    /// An answer with that much text.
    fn kept(bytes: usize) -> Kept {
        let request = "BYE sip:b@b.test SIP/2.0\r\nVia: SIP/2.0/UDP a.test;branch=z9hG4bK1\r\n\
            From: <sip:a@a.test>;tag=1\r\nTo: <sip:b@b.test>;tag=2\r\nCall-ID: c\r\nCSeq: 1 BYE\r\n\r\n";
        let Ok(Message::Request(request)) = Message::parse(request.as_bytes()) else {
            panic!("a request")
        };
        let mut response = Response::for_request(&request, 200, "OK");
        response.body = vec![b'x'; bytes];
        Kept::of(&response, std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)).expect("fits")
    }
}
