use napi::bindgen_prelude::{Float64ArraySlice, Uint32ArraySlice};
use napi_derive::napi;

use super::{thrown, Thrown};
use crate::batch::Batch;
use crate::merge::{self, Order, Ring, Stop};

/// Doubles in front of the rings' own, and of each ring: the names are in src/native/index.ts.
const ORDER_DOUBLES: usize = 8;
const RING_DOUBLES: usize = 4;

#[napi]
pub fn merge_blocks(
    mut batch: Float64ArraySlice<'_>,
    mut state: Float64ArraySlice<'_>,
    stagings: Vec<Uint32ArraySlice<'_>>,
) -> Result<u32, Thrown> {
    // SAFETY: neither is shared with another thread, they are two, and no JavaScript runs during this call.
    let (batch, state) = unsafe { (batch.as_mut(), state.as_mut()) };
    let mut batch = Batch::over(batch).map_err(thrown)?;
    let (order_state, ring_state) = state.split_at_mut(ORDER_DOUBLES.min(state.len()));
    let [count, capacity, last_tick, horizon, stack_limit, fallen, unknown, stopped] = order_state
    else {
        return Err(no_state());
    };
    if ring_state.len() < stagings.len() * RING_DOUBLES {
        return Err(no_state());
    }
    let mut rings: Vec<Ring<'_>> = stagings
        .iter()
        .zip(ring_state.chunks_exact(RING_DOUBLES))
        .map(|(staging, of)| Ring {
            staging,
            from: of[0] as usize,
            to: of[1] as usize,
            thread: of[2] as i32,
            last_tick: of[3] as u64,
        })
        .collect();
    let mut order = Order {
        count: *count as usize,
        capacity: *capacity as usize,
        last_tick: *last_tick as u64,
        // Infinity becomes the greatest number.
        horizon: *horizon as u64,
        stack_limit: *stack_limit as u32,
        fallen_tick_count: 0,
        unknown_stack_count: 0,
    };
    let stop = merge::take(&mut batch, &mut rings, &mut order);
    for (ring, of) in rings.iter().zip(ring_state.chunks_exact_mut(RING_DOUBLES)) {
        of[0] = ring.from as f64;
        of[3] = ring.last_tick as f64;
    }
    *count = order.count as f64;
    *last_tick = order.last_tick as f64;
    *fallen += f64::from(order.fallen_tick_count);
    *unknown += f64::from(order.unknown_stack_count);
    let (code, index) = match stop {
        Stop::Horizon => (0, 0),
        Stop::Full => (1, 0),
        Stop::Ended(index) => (2, index),
        Stop::Other(index) => (3, index),
    };
    *stopped = index as f64;
    Ok(code)
}

fn no_state() -> Thrown {
    Thrown::new("EINVAL".to_owned(), "the state of a merge is too short".to_owned())
}
