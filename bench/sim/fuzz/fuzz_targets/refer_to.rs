//! `cargo +nightly fuzz run refer_to ../corpus/refer_to`: see `sim::fuzz::refer_to`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::refer_to::check(bytes));
