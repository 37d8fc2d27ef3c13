//! `cargo +nightly fuzz run sdp ../corpus/sdp`: see `sim::fuzz::sdp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::sdp::check(bytes));
