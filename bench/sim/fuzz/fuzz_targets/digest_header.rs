//! `cargo +nightly fuzz run digest_header ../corpus/digest_header`: see `sim::fuzz::digest_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::digest_header::check(bytes));
