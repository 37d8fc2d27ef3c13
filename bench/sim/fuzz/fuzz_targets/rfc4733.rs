//! `cargo +nightly fuzz run rfc4733 ../corpus/rfc4733`: see `sim::fuzz::rfc4733`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::rfc4733::check(bytes));
