//! `cargo +nightly fuzz run name_addr ../corpus/name_addr`: see `sim::fuzz::name_addr`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::name_addr::check(bytes));
