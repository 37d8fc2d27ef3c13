//! `cargo +nightly fuzz run srtp_unprotect ../corpus/srtp_unprotect`: see `sim::fuzz::srtp_unprotect`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::srtp_unprotect::check(bytes));
