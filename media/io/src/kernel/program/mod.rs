//! The BPF programs as tables of instruction words, one file a hook. `make bpf` writes them.

mod tc;
mod xdp;

pub(super) use tc::TC;
pub(super) use xdp::XDP;
