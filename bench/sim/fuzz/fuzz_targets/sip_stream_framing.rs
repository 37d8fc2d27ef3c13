//! `cargo +nightly fuzz run sip_stream_framing ../corpus/sip_stream_framing`: see `sim::fuzz::sip_stream_framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::sip_stream_framing::check(bytes));
