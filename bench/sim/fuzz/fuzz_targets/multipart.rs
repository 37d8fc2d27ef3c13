//! `cargo +nightly fuzz run multipart ../corpus/multipart`: see `sim::fuzz::multipart`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::multipart::check(bytes));
