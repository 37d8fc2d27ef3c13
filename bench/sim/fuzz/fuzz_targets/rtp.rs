//! `cargo +nightly fuzz run rtp ../corpus/rtp`: see `sim::fuzz::rtp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::rtp::check(bytes));
