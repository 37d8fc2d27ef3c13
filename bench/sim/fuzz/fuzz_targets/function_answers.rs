//! `cargo +nightly fuzz run function_answers ../corpus/function_answers`: see `sim::fuzz::function_answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::function_answers::check(bytes));
