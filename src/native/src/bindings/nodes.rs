use std::sync::atomic::AtomicU32;

use napi::bindgen_prelude::{Float64ArraySlice, Uint32ArraySlice, Uint8ArraySlice};
use napi_derive::napi;

use crate::nodes::{self, Columns};

/// Returns the first id that was not read; what is broken is added to `counts[0]`.
#[napi]
#[allow(clippy::too_many_arguments)]
pub fn read_stack_nodes(
    chunk: &[u32],
    first: u32,
    from: u32,
    end: u32,
    is_final: bool,
    mut parent: Uint32ArraySlice<'_>,
    mut kind: Uint8ArraySlice<'_>,
    mut index: Uint32ArraySlice<'_>,
    mut offset: Float64ArraySlice<'_>,
    mut counts: Uint32ArraySlice<'_>,
) -> u32 {
    // SAFETY: an AtomicU32 lies as a u32 does, and a shared chunk is only ever read through them. The columns and the
    // counts belong to one table, each of its own, and no JavaScript runs during this call.
    let (chunk, mut columns, counts) = unsafe {
        let chunk = std::slice::from_raw_parts(chunk.as_ptr().cast::<AtomicU32>(), chunk.len());
        let columns = Columns {
            parent: parent.as_mut(),
            kind: kind.as_mut(),
            index: index.as_mut(),
            offset: offset.as_mut(),
        };
        (chunk, columns, counts.as_mut())
    };
    let from = from.max(first);
    let read =
        nodes::read(chunk, first as usize, from as usize, end as usize, is_final, &mut columns);
    if let Some(count) = counts.first_mut() {
        *count += read.broken;
    }
    read.next as u32
}
