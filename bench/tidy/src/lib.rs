//! Tests over the tree: the layers between packages, and what each layer must not touch.
//!
//! There is nothing to call here; the tests are the product. They read `cargo metadata` and the
//! source files, and fail with a sentence that says which rule of ARCHITECTURE.md was broken.
#![forbid(unsafe_code)]

pub mod cycles;
pub mod measure;
pub mod source;

#[cfg(test)]
mod layers;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod tree;
