//! `cargo +nightly fuzz run form_body ../corpus/form_body`: see `sim::fuzz::form_body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::form_body::check(bytes));
