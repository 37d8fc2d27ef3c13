//! Tests over the tree: the layers between packages, what each layer must not touch, and the paths
//! that Markdown files name.
//!
//! The tests are the product. They read `cargo metadata` and the source files, and fail with a
//! sentence that names the broken rule of ARCHITECTURE.md. `measure` and `cycles` also print, and
//! `clippy` and `bpf` also write.
#![forbid(unsafe_code)]

pub mod bpf;
pub mod clippy;
pub mod cycles;
mod elf;
pub mod measure;
pub mod source;
pub mod workspace;

#[cfg(test)]
mod circles;
#[cfg(test)]
mod citations;
#[cfg(test)]
mod coverage;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod names;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod vendor;
