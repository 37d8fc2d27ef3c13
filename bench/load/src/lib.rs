//! SIP and RTP load, benches, side-by-side runs.
