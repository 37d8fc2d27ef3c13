//! `cargo +nightly fuzz run recognition_lines ../corpus/recognition_lines`: see `sim::fuzz::recognition_lines`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::recognition_lines::check(bytes));
