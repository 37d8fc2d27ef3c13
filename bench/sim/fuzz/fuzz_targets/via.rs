//! `cargo +nightly fuzz run via ../corpus/via`: see `sim::fuzz::via`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::via::check(bytes));
