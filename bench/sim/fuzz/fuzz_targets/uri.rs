//! `cargo +nightly fuzz run uri ../corpus/uri`: see `sim::fuzz::uri`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::uri::check(bytes));
