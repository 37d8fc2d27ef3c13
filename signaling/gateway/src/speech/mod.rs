//! Speech: text to 8 kHz samples by a worker process. Shell, on tokio.
