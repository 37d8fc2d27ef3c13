//! `cargo +nightly fuzz run gateway_datagrams ../corpus/gateway_datagrams`: see `sim::fuzz::gateway_datagrams`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::gateway_datagrams::check(bytes));
