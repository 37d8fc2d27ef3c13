//! `cargo +nightly fuzz run rtcp_compound ../corpus/rtcp_compound`: see `sim::fuzz::rtcp_compound`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::rtcp_compound::check(bytes));
