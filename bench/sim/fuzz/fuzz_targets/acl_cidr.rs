//! `cargo +nightly fuzz run acl_cidr ../corpus/acl_cidr`: see `sim::fuzz::acl_cidr`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::acl_cidr::check(bytes));
