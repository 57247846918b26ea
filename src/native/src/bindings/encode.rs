use napi::bindgen_prelude::{Buffer, Float64ArraySlice};
use napi_derive::napi;

use super::{thrown, Thrown};
use crate::batch::Batch;
use crate::encode::tables::{self, Live, Stacks};
use crate::encode::Encoder;

#[napi]
pub struct EventEncoder(Encoder);

#[napi]
impl EventEncoder {
    #[napi(constructor)]
    pub fn new(rows_per_chunk: u32, record_words: &[u8]) -> Result<Self, Thrown> {
        Encoder::new(rows_per_chunk as usize, record_words).map(Self).map_err(thrown)
    }

    #[napi]
    pub fn add(
        &mut self,
        mut memory: Float64ArraySlice<'_>,
        rare_words: &[u32],
        start: u32,
        count: u32,
        ns_per_tick: f64,
    ) -> Result<u32, Thrown> {
        // SAFETY: a batch's memory is shared with no thread, and no JavaScript runs during this call.
        let batch = Batch::over(unsafe { memory.as_mut() }).map_err(thrown)?;
        let next = self.0.add(&batch, rare_words, start as usize, count as usize, ns_per_tick);
        next.map(|row| row as u32).map_err(thrown)
    }

    #[napi]
    pub fn event_count(&self) -> u32 {
        self.0.event_count() as u32
    }

    #[napi]
    pub fn finish(&mut self) -> Buffer {
        self.0.finish().into()
    }
}

#[napi]
pub fn encode_stacks(
    parent: &[u32],
    kind: &[u8],
    index: &[u32],
    offset: &[f64],
    from: u32,
    to: u32,
) -> Result<Buffer, Thrown> {
    let table = Stacks { parent, kind, index, offset };
    tables::stacks(&table, from as usize, to as usize).map(Buffer::from).map_err(thrown)
}

#[napi]
pub fn encode_stack_totals(
    allocation_count: &[f64],
    allocated_bytes: &[f64],
    live_count: &[f64],
    live_bytes: &[f64],
    temporary_count: &[f64],
) -> Result<Buffer, Thrown> {
    let columns = [allocation_count, allocated_bytes, live_count, live_bytes, temporary_count];
    tables::stack_totals(columns).map(Buffer::from).map_err(thrown)
}

#[napi]
pub fn encode_live_set(
    address: &[f64],
    size_bytes: &[f64],
    stack_id: &[u32],
    thread_index: &[u32],
    born_ns: &[f64],
    entry: &[u8],
) -> Result<Buffer, Thrown> {
    let live = Live { address, size_bytes, stack_id, thread_index, born_ns, entry };
    tables::live_set(&live).map(Buffer::from).map_err(thrown)
}
