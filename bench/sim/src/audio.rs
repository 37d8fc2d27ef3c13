//! Audio that tells its frames apart.

use shared::Prompt;

use crate::rng::Rng;

/// Noise: no two frames are alike, so a listener can tell which frame it heard.
pub fn noise(rng: &mut Rng, samples: usize) -> Prompt {
    let wave: Vec<i16> = (0..samples).map(|_| (rng.below(16_000) as i16) - 8_000).collect();
    plane::g711::prompt(&wave)
}
