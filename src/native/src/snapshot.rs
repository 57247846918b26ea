//! The columns that the ledger answers with, out of its tables (layouts: src/ledger/slots.ts and ledger.ts).

use crate::error::{Failure, Outcome};
use crate::ledger::{
    slot_bytes, wide, Slot, Sums, BYTES, COUNT, GONE_BYTES, GONE_COUNT, PAIR_BYTES, PAIR_COUNT,
    STACK_ID, TEMPORARY_COUNT,
};

/// `LiveSet` of src/model, as long as blocks are live.
pub struct Live<'a> {
    pub address: &'a mut [f64],
    pub size_bytes: &'a mut [f64],
    pub stack_id: &'a mut [u32],
    pub thread_index: &'a mut [u32],
    pub born_ns: &'a mut [f64],
    pub entry: &'a mut [u8],
}

/// Fills in the live blocks, in order of allocation.
pub fn live(slots: &[i32], sums: &[f64], ns_per_tick: f64, out: Live<'_>) -> Outcome<()> {
    let slots: &[Slot] = slots.as_chunks().0;
    let sums: &[Sums] = sums.as_chunks().0;
    let count = out.address.len();
    let lengths = [
        out.size_bytes.len(),
        out.stack_id.len(),
        out.thread_index.len(),
        out.born_ns.len(),
        out.entry.len(),
    ];
    let mut order: Vec<(u64, u32)> = Vec::with_capacity(count);
    for (at, slot) in slots.iter().enumerate() {
        if slot[4] > 0 {
            order.push((serial_of(slot), at as u32));
        }
    }
    if order.len() != count || lengths.iter().any(|&length| length != count) {
        return Err(Failure::new(
            "EINVAL",
            format!("columns of {count} and {lengths:?} rows for {} live blocks", order.len()),
        ));
    }
    order.sort_unstable();
    for (row, &(_, at)) in order.iter().enumerate() {
        let slot = &slots[at as usize];
        out.address[row] = wide(slot[1] as u32 & 0xffff, slot[0] as u32);
        out.size_bytes[row] = slot_bytes(slot);
        out.stack_id[row] = sums.get(slot[3] as usize).map_or(0, |sums| sums[STACK_ID] as u32);
        out.thread_index[row] = slot[4] as u32 & 0xff_ffff;
        out.entry[row] = (slot[4] as u32 >> 24) as u8;
        out.born_ns[row] = wide(slot[6] as u32 & 0x1f_ffff, slot[5] as u32) * ns_per_tick;
    }
    Ok(())
}

fn serial_of(slot: &Slot) -> u64 {
    u64::from(slot[6] as u32 >> 21) << 32 | u64::from(slot[7] as u32)
}

/// `StackTotals` of src/model, by stack id, as zeros.
pub struct Totals<'a> {
    pub allocation_count: &'a mut [f64],
    pub allocated_bytes: &'a mut [f64],
    pub live_count: &'a mut [f64],
    pub live_bytes: &'a mut [f64],
    pub temporary_count: &'a mut [f64],
}

/// Fills in what the first `row_limit` rows of the sums say.
pub fn stack_totals(sums: &[f64], row_limit: usize, out: Totals<'_>) -> Outcome<()> {
    let sums: &[Sums] = sums.as_chunks().0;
    let length = out.allocation_count.len();
    let others = [
        out.allocated_bytes.len(),
        out.live_count.len(),
        out.live_bytes.len(),
        out.temporary_count.len(),
    ];
    if others.iter().any(|&other| other != length) {
        return Err(Failure::new("EINVAL", format!("columns of {length} and {others:?} rows")));
    }
    // The first row is nobody's.
    for sums in sums.iter().take(row_limit).skip(1) {
        let id = sums[STACK_ID] as usize;
        if id >= length {
            return Err(Failure::new("EINVAL", format!("no place for stack {id} of {length}")));
        }
        out.allocation_count[id] = sums[COUNT] + sums[PAIR_COUNT];
        out.allocated_bytes[id] = sums[BYTES] + sums[PAIR_BYTES];
        out.live_count[id] = sums[COUNT] - sums[GONE_COUNT];
        out.live_bytes[id] = sums[BYTES] - sums[GONE_BYTES];
        out.temporary_count[id] = sums[TEMPORARY_COUNT] + sums[PAIR_COUNT];
    }
    Ok(())
}

// What the columns hold is compared with a plain Map, through the boundary: test/ledger/ledger.test.ts.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_another_length_than_there_are_live_blocks_are_refused() {
        let mut slots = [0; 16];
        slots[4] = 1;
        for count in [0, 1, 2] {
            let (mut a, mut b, mut c) = (vec![0.0; count], vec![0.0; count], vec![0.0; count]);
            let (mut d, mut e, mut f) = (vec![0; count], vec![0; count], vec![0; count]);
            let out = Live {
                address: &mut a,
                size_bytes: &mut b,
                stack_id: &mut d,
                thread_index: &mut e,
                born_ns: &mut c,
                entry: &mut f,
            };
            assert_eq!(live(&slots, &[0.0; 8], 1.0, out).is_ok(), count == 1);
        }
    }

    #[test]
    fn a_stack_for_which_the_totals_have_no_row_is_refused() {
        let mut sums = [0.0; 16];
        sums[8 + STACK_ID] = 3.0;
        for (length, fits) in [(3, false), (4, true)] {
            let mut columns = vec![vec![0.0; length]; 5];
            let [a, b, c, d, e] = &mut columns[..] else { unreachable!() };
            let out = Totals {
                allocation_count: a,
                allocated_bytes: b,
                live_count: c,
                live_bytes: d,
                temporary_count: e,
            };
            assert_eq!(stack_totals(&sums, 2, out).is_ok(), fits);
        }
    }
}
