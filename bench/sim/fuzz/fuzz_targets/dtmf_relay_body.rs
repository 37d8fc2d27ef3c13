//! `cargo +nightly fuzz run dtmf_relay_body ../corpus/dtmf_relay_body`: see `sim::fuzz::dtmf_relay_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::dtmf_relay_body::check(bytes));
