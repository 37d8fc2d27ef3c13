//! Simulator: virtual clock, network, peers, stories.
