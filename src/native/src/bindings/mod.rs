//! The boundary to JavaScript: conversions only, no logic.

mod data;
mod functions;
mod memory;
mod symbols;

use crate::error::Failure;

/// A JavaScript error whose `code` is the failure's.
type Thrown = napi::Error<String>;

fn thrown(failure: Failure) -> Thrown {
    Thrown::new(failure.code, failure.message)
}
