use napi::bindgen_prelude::{Float64ArraySlice, Int32ArraySlice, Uint32ArraySlice};
use napi_derive::napi;

use super::{thrown, Thrown};
use crate::batch::Batch;
use crate::ledger::{self, Tables};

#[napi]
pub fn move_live(old: &[i32], mut slots: Int32ArraySlice<'_>) {
    // SAFETY: as below; two tables.
    ledger::move_live(old, unsafe { slots.as_mut() });
}

#[napi]
pub fn purge_released(mut slots: Int32ArraySlice<'_>) {
    // SAFETY: as below.
    ledger::purge_released(unsafe { slots.as_mut() });
}

/// Why it stopped, as `Stop` numbers it.
#[napi]
#[allow(clippy::too_many_arguments)]
pub fn consume_blocks(
    mut memory: Float64ArraySlice<'_>,
    start: u32,
    count: u32,
    mut slots: Int32ArraySlice<'_>,
    mut row_of_stack: Uint32ArraySlice<'_>,
    mut sums: Float64ArraySlice<'_>,
    mut last: Float64ArraySlice<'_>,
    mut state: Float64ArraySlice<'_>,
) -> Result<u32, Thrown> {
    // SAFETY: tables of one ledger and the memory of a batch, each of its own; they are shared with no thread,
    // and no JavaScript runs during this call.
    unsafe {
        let mut batch = Batch::over(memory.as_mut()).map_err(thrown)?;
        let tables = Tables::over(
            slots.as_mut(),
            row_of_stack.as_mut(),
            sums.as_mut(),
            last.as_mut(),
            state.as_mut(),
        )
        .map_err(thrown)?;
        ledger::consume(&mut batch, start as usize, count as usize, tables)
            .map(|stop| stop as u32)
            .map_err(thrown)
    }
}
