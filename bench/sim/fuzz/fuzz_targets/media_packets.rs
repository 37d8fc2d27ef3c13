//! `cargo +nightly fuzz run media_packets ../corpus/media_packets`: see `sim::fuzz::media_packets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::media_packets::check(bytes));
