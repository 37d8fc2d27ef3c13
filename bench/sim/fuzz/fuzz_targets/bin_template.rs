//! `cargo +nightly fuzz run bin_template ../corpus/bin_template`: see `sim::fuzz::bin_template`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::bin_template::check(bytes));
