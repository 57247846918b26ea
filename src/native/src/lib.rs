//! What memprof's reader cannot do in TypeScript. Everything but `bindings` is plain Rust without a
//! JavaScript engine, so that `cargo test` can run it; `bindings` is the boundary and holds no logic.
#![cfg_attr(test, allow(dead_code))]

mod batch;
mod clock;
mod compress;
mod encode;
mod error;
mod inspect;
mod ledger;
mod lock;
mod merge;
mod nodes;
mod prefetch;
mod process;
mod shared;
mod snapshot;
mod symbols;

#[cfg(not(test))]
mod bindings;
