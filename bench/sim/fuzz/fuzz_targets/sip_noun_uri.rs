//! `cargo +nightly fuzz run sip_noun_uri ../corpus/sip_noun_uri`: see `sim::fuzz::sip_noun_uri`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::sip_noun_uri::check(bytes));
