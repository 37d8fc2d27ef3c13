//! `cargo +nightly fuzz run liquid_template ../corpus/liquid_template`: see `sim::fuzz::liquid_template`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::liquid_template::check(bytes));
