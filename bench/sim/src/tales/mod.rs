//! The tales: what people do in one call, and all that must be seen. Every third seed plays one.

mod calls;
mod cast;
mod recording;
mod relays;
mod rest;
mod streams;

pub use rest::{call_bob, update};

use crate::tale::Tale;

/// Every tale. Their order is part of what a seed means.
pub fn all() -> Vec<&'static Tale> {
    let all = [calls::TALES, streams::TALES, relays::TALES, recording::TALES];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::tale::play;

    /// Every tale on a few networks; seeds play them on more.
    #[test]
    fn every_tale_ends_as_it_must() {
        let mut failed = Vec::new();
        for (index, tale) in all().into_iter().enumerate() {
            for turn in 0..3 {
                let mut rng = Rng::new(turn * 1_000 + index as u64);
                let (_, wrong) = play(tale, &mut rng);
                if !wrong.is_empty() {
                    failed.push(format!("{} ({turn}): {}", tale.name, wrong.join("; ")));
                }
            }
        }
        assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    }
}
