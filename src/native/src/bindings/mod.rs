//! The boundary to JavaScript: conversions only, no logic.

mod data;
mod encode;
mod functions;
mod ledger;
mod memory;
mod merge;
mod nodes;
mod symbols;

use crate::error::Failure;

/// A JavaScript error whose `code` is the failure's.
type Thrown = napi::Error<String>;

fn thrown(failure: Failure) -> Thrown {
    Thrown::new(failure.code, failure.message)
}

/// A size as JavaScript gives it.
fn whole_bytes(size_bytes: f64) -> Result<u64, Thrown> {
    if !(0.0..=9_007_199_254_740_991.0).contains(&size_bytes) || size_bytes.fract() != 0.0 {
        return Err(thrown(Failure::new("EINVAL", format!("{size_bytes} is not a size in bytes"))));
    }
    Ok(size_bytes as u64)
}
