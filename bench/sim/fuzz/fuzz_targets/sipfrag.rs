//! `cargo +nightly fuzz run sipfrag ../corpus/sipfrag`: see `sim::fuzz::sipfrag`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::sipfrag::check(bytes));
