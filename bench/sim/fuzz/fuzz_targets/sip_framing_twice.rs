//! `cargo +nightly fuzz run sip_framing_twice ../corpus/sip_framing_twice`: see `sim::fuzz::sip_framing_twice`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::sip_framing_twice::check(bytes));
