//! `cargo +nightly fuzz run flow_definition ../corpus/flow_definition`: see `sim::fuzz::flow_definition`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::flow_definition::check(bytes));
