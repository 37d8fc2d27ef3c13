//! `cargo +nightly fuzz run relay_json ../corpus/relay_json`: see `sim::fuzz::relay_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::relay_json::check(bytes));
