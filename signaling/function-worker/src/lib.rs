//! The worker process of hosted functions: `sidetone worker functions`. It runs the customer's JavaScript.
//!
//! ```text
//!  stdin ──▶ pipe ──▶ pool ──▶ slot 1: thread, QuickJS runtime, one invocation at a time
//!                       │  ──▶ slot 2
//!                       └──▶ …        one more when an invocation has waited 20 ms, at most 30
//!  stdout ◀───────────────────── every slot: answers, log lines, fetches, reads
//! ```
//!
//! The engine is C and its input is anybody's, so nothing but this process is at stake: it has no network, opens no
//! file, starts no program ([`sandbox`]), and all of it serves one environment of one service. What a function wants
//! from outside is a message to the gateway, which applies its own guard and bounds.
//!
//! With `functions.engine = "node"` this process puts itself into a sandbox and becomes Node ([`node_main`]), which runs the
//! scripts of `js/node/` and answers by the same pipes.
//!
//! A slot keeps its runtime between invocations, as the cloud keeps a container warm: modules stay loaded, global
//! variables stay. It drops the runtime after an invocation that ended by force, because its state is unknown then.

mod clock;
mod common;
mod engine;
mod host;
mod library;
mod modules;
mod node;
mod pipe;
mod pool;
mod queue;
mod sandbox;
mod slot;
mod worker;

pub use node::{NodeArguments, node_main, unpack_library};
pub use worker::worker_main;
