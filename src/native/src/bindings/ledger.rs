use napi::bindgen_prelude::{
    Float64ArraySlice, Int32ArraySlice, Uint32ArraySlice, Uint8ArraySlice,
};
use napi_derive::napi;

use super::{thrown, Thrown};
use crate::batch::Batch;
use crate::ledger::{self, Tables};
use crate::snapshot::{self, Live, Totals};

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

#[napi]
#[allow(clippy::too_many_arguments)]
pub fn live_blocks(
    slots: &[i32],
    sums: &[f64],
    ns_per_tick: f64,
    mut address: Float64ArraySlice<'_>,
    mut size_bytes: Float64ArraySlice<'_>,
    mut stack_id: Uint32ArraySlice<'_>,
    mut thread_index: Uint32ArraySlice<'_>,
    mut born_ns: Float64ArraySlice<'_>,
    mut entry: Uint8ArraySlice<'_>,
) -> Result<(), Thrown> {
    // SAFETY: as below; columns of one live set, each of its own.
    let columns = unsafe {
        Live {
            address: address.as_mut(),
            size_bytes: size_bytes.as_mut(),
            stack_id: stack_id.as_mut(),
            thread_index: thread_index.as_mut(),
            born_ns: born_ns.as_mut(),
            entry: entry.as_mut(),
        }
    };
    snapshot::live(slots, sums, ns_per_tick, columns).map_err(thrown)
}

#[napi]
pub fn stack_totals(
    sums: &[f64],
    row_limit: u32,
    mut allocation_count: Float64ArraySlice<'_>,
    mut allocated_bytes: Float64ArraySlice<'_>,
    mut live_count: Float64ArraySlice<'_>,
    mut live_bytes: Float64ArraySlice<'_>,
    mut temporary_count: Float64ArraySlice<'_>,
) -> Result<(), Thrown> {
    // SAFETY: as below; columns of one table, each of its own.
    let columns = unsafe {
        Totals {
            allocation_count: allocation_count.as_mut(),
            allocated_bytes: allocated_bytes.as_mut(),
            live_count: live_count.as_mut(),
            live_bytes: live_bytes.as_mut(),
            temporary_count: temporary_count.as_mut(),
        }
    };
    snapshot::stack_totals(sums, row_limit as usize, columns).map_err(thrown)
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
