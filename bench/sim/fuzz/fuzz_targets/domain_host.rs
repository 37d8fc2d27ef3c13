//! `cargo +nightly fuzz run domain_host ../corpus/domain_host`: see `sim::fuzz::domain_host`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::domain_host::check(bytes));
