//! `cargo +nightly fuzz run sip_message ../corpus/sip_message`: see `sim::fuzz::sip_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::sip_message::check(bytes));
