//! `cargo +nightly fuzz run config_file ../corpus/config_file`: see `sim::fuzz::config_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::config_file::check(bytes));
