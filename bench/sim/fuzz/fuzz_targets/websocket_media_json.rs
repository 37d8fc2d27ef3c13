//! `cargo +nightly fuzz run websocket_media_json ../corpus/websocket_media_json`: see `sim::fuzz::websocket_media_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sim::fuzz::websocket_media_json::check(bytes));
