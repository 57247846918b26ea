//! The ledger's loop over block events. Its tables belong to `Ledger` of src/ledger/ledger.ts, which makes
//! them, lets them grow and reads them; their layouts are told there and in slots.ts.

use crate::batch::kind::{ALLOC_LAST, FREE_LAST, PAIR};
use crate::batch::Batch;
use crate::error::{Failure, Outcome};
use crate::prefetch::prefetch;

/// Of a slot that a release left.
const RELEASED_TAG: i32 = i32::MIN;
/// Longer probes cost more than the memory: at 0.7 a miss looks at 6 slots, at 0.8 at 13.
const MAX_LOAD: f64 = 0.7;
/// In a thread's word, behind which its last allocation's address lies: there is one.
const HAS_ADDRESS: f64 = 281_474_976_710_656.0;

/// Rows between a request for a slot and its use: what a miss takes, at 10 ns an event.
const SLOT_LEAD: usize = 24;
/// The same for the sums of its stack, which are known only when the slot is there.
const SUMS_LEAD: usize = 12;

/// `State` of ledger.ts.
#[derive(Clone, Copy)]
enum At {
    Row,
    AllocationCount,
    AllocatedBytes,
    ReleaseCount,
    ReleasedBytes,
    PairCount,
    PairBytes,
    LiveCount,
    LiveBytes,
    PeakBytes,
    PeakBlockCount,
    PeakTick,
    CeilingBytes,
    UsedCount,
    RowLimit,
    StackLimit,
    UnknownReleaseCount,
    DoubleAllocationCount,
}

const STATE_WORDS: usize = 32;
const EVENT_TYPES: usize = 256;

/// Why the loop stopped before the row that it says. `Stop` of ledger.ts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The batch's end, or an event that is not about blocks.
    Done,
    /// The table is full.
    Slots,
    /// No room for the stack of the row's allocation.
    Stacks,
    /// No room for the row's thread.
    Threads,
}

pub type Slot = [i32; 8];
pub type Sums = [f64; 8];

// Columns of Sums.
pub const COUNT: usize = 0;
pub const BYTES: usize = 1;
pub const GONE_COUNT: usize = 2;
pub const GONE_BYTES: usize = 3;
pub const TEMPORARY_COUNT: usize = 4;
pub const PAIR_COUNT: usize = 5;
pub const PAIR_BYTES: usize = 6;
pub const STACK_ID: usize = 7;

pub struct Tables<'a> {
    slots: &'a mut [Slot],
    row_of_stack: &'a mut [u32],
    sums: &'a mut [Sums],
    last: &'a mut [f64],
    state: &'a mut [f64; STATE_WORDS],
    event_counts: &'a mut [f64; EVENT_TYPES],
}

impl<'a> Tables<'a> {
    pub fn over(
        slots: &'a mut [i32],
        row_of_stack: &'a mut [u32],
        sums: &'a mut [f64],
        last: &'a mut [f64],
        state: &'a mut [f64],
    ) -> Outcome<Self> {
        let slots = slots.as_chunks_mut().0;
        let state = state.split_first_chunk_mut().and_then(|(state, rest)| {
            rest.first_chunk_mut().map(|event_counts| (state, event_counts))
        });
        match state {
            Some((state, event_counts)) if slots.len().is_power_of_two() && slots.len() > 1 => {
                let sums = sums.as_chunks_mut().0;
                Ok(Self { slots, row_of_stack, sums, last, state, event_counts })
            }
            _ => Err(Failure::new("EINVAL", "these are no tables of a ledger")),
        }
    }
}

/// Fibonacci hashing, as `homeOf` in slots.ts.
fn home_of(low: u32, high: u32, shift: u32) -> usize {
    ((low ^ high.wrapping_mul(0x2c1b_3c6d)).wrapping_mul(0x9e37_79b1) >> shift) as usize
}

pub fn wide(high: u32, low: u32) -> f64 {
    (u64::from(high) << 32 | u64::from(low)) as f64
}

pub fn slot_bytes(slot: &Slot) -> f64 {
    wide(slot[1] as u32 >> 16, slot[2] as u32)
}

/// Takes the block events from row `start` on, up to `count`, and fills in what it knows of releases: size
/// (0 when unknown), stack and age. Where it stopped stands in the state.
pub fn consume(batch: &mut Batch, start: usize, count: usize, tables: Tables<'_>) -> Outcome<Stop> {
    if count > batch.kind.len() {
        return Err(Failure::new(
            "EINVAL",
            format!("{count} events in a batch of {}", batch.kind.len()),
        ));
    }
    let kinds = &batch.kind[..count];
    let threads = &batch.thread_index[..count];
    let tick_low = &batch.tick_low[..count];
    let tick_high = &batch.tick_high[..count];
    let address_low = &batch.address_low[..count];
    let address_high = &batch.address_high[..count];
    let size_low = &mut batch.size_low[..count];
    let size_high = &mut batch.size_high[..count];
    let stack_id = &mut batch.stack_id[..count];
    let age = &mut batch.age[..count];
    let Tables { slots, row_of_stack, sums, last, state, event_counts } = tables;

    let mask = slots.len() - 1;
    let shift = 32 - slots.len().trailing_zeros();
    let grow_at = (slots.len() as f64 * MAX_LOAD).floor();
    let mut serial = state[At::AllocationCount as usize] as u64;
    let mut live_count = state[At::LiveCount as usize];
    let mut live_bytes = state[At::LiveBytes as usize];
    let mut ceiling_bytes = state[At::CeilingBytes as usize];
    let mut used_count = state[At::UsedCount as usize];

    // Out of the cache all of them: asked for ahead, the misses of many events overlap.
    let ask_for_slot = |row: usize, slots: &[Slot], row_of_stack: &[u32], stack_id: &[u32]| {
        if row < count {
            let home = home_of(address_low[row], address_high[row], shift);
            prefetch(slots, home);
            // The next line: of the slots looked for in a run of sharp 54 % lie in the first and 86 % in the two.
            prefetch(slots, home + 2);
            // Of a release it is a stack of no meaning.
            prefetch(row_of_stack, stack_id[row] as usize);
        }
    };
    for row in start..start + SLOT_LEAD {
        ask_for_slot(row, slots, row_of_stack, stack_id);
    }

    let mut stop = Stop::Done;
    let mut row = start;
    while row < count {
        let kind = kinds[row];
        if kind > FREE_LAST && kind < PAIR {
            break;
        }
        ask_for_slot(row + SLOT_LEAD, slots, row_of_stack, stack_id);
        let ahead = row + SUMS_LEAD;
        if ahead < count {
            // Both, for which of the two it is cannot be foretold.
            let home = home_of(address_low[ahead], address_high[ahead], shift);
            prefetch(sums, slots[home & mask][3] as usize);
            let stack = stack_id[ahead] as usize;
            prefetch(sums, row_of_stack.get(stack).map_or(0, |&sums_row| sums_row as usize));
        }

        let low = address_low[row];
        let high = address_high[row];
        let thread = threads[row] as usize;
        let Some(last) = last.get_mut(thread) else {
            stop = Stop::Threads;
            break;
        };
        let mut at = home_of(low, high, shift) & mask;
        while slots[at][4] != 0
            && !(slots[at][0] as u32 == low && slots[at][1] as u32 & 0xffff == high)
        {
            at = (at + 1) & mask;
        }
        let slot = &mut slots[at];
        let tag = slot[4];
        let is_live = tag > 0;
        let address = wide(high, low) + HAS_ADDRESS;

        if kind > ALLOC_LAST && kind < PAIR {
            event_counts[usize::from(kind)] += 1.0;
            let is_temporary = *last == address;
            *last = 0.0;
            if is_live {
                let bytes = slot_bytes(slot);
                let Some(sums) = sums.get_mut(slot[3] as usize) else { return Err(damaged()) };
                size_low[row] = slot[2] as u32;
                size_high[row] = slot[1] as u32 >> 16;
                stack_id[row] = sums[STACK_ID] as u32;
                let born = u64::from(slot[6] as u32 >> 21) << 32 | u64::from(slot[7] as u32);
                age[row] = serial as f64 - 1.0 - born as f64;
                sums[GONE_COUNT] += 1.0;
                sums[GONE_BYTES] += bytes;
                sums[TEMPORARY_COUNT] += f64::from(u8::from(is_temporary));
                state[At::ReleaseCount as usize] += 1.0;
                state[At::ReleasedBytes as usize] += bytes;
                live_count -= 1.0;
                live_bytes -= bytes;
                slot[4] = RELEASED_TAG;
            } else {
                state[At::UnknownReleaseCount as usize] += 1.0;
                size_low[row] = 0;
                size_high[row] = 0;
                stack_id[row] = 0;
                age[row] = -1.0;
            }
            row += 1;
            continue;
        }

        let stack = stack_id[row];
        let Some(sums_row) = row_of_stack.get_mut(stack as usize) else {
            stop = Stop::Stacks;
            break;
        };
        if *sums_row == 0 {
            let fresh = state[At::RowLimit as usize] as usize;
            let Some(sums) = sums.get_mut(fresh) else {
                stop = Stop::Stacks;
                break;
            };
            sums[STACK_ID] = f64::from(stack);
            *sums_row = fresh as u32;
            state[At::RowLimit as usize] += 1.0;
            let limit = &mut state[At::StackLimit as usize];
            *limit = limit.max(f64::from(stack) + 1.0);
        }
        let sums_row = *sums_row;
        let bytes = wide(size_high[row] & 0xffff, size_low[row]);
        if is_live {
            // Its release was lost. It is not live any more, and nobody saw it released.
            let lost_bytes = slot_bytes(slot);
            let Some(lost) = sums.get_mut(slot[3] as usize) else { return Err(damaged()) };
            lost[GONE_COUNT] += 1.0;
            lost[GONE_BYTES] += lost_bytes;
            state[At::DoubleAllocationCount as usize] += 1.0;
            live_bytes -= lost_bytes;
            live_count -= 1.0;
        }
        let Some(sums) = sums.get_mut(sums_row as usize) else { return Err(damaged()) };
        if live_bytes + bytes > ceiling_bytes {
            ceiling_bytes = live_bytes + bytes;
            if ceiling_bytes > state[At::PeakBytes as usize] {
                state[At::PeakBytes as usize] = ceiling_bytes;
                state[At::PeakBlockCount as usize] = live_count + 1.0;
                state[At::PeakTick as usize] = wide(tick_high[row], tick_low[row]);
            }
        }
        if kind >= PAIR {
            // Lived and died with nothing between: it never needs a place in the table.
            if is_live {
                slot[4] = RELEASED_TAG;
            }
            event_counts[usize::from(kind - PAIR)] += 1.0;
            sums[PAIR_COUNT] += 1.0;
            sums[PAIR_BYTES] += bytes;
            state[At::PairCount as usize] += 1.0;
            state[At::PairBytes as usize] += bytes;
            *last = 0.0;
            serial += 1;
            row += 1;
            continue;
        }
        event_counts[usize::from(kind)] += 1.0;
        *slot = [
            low as i32,
            (high | size_high[row] << 16) as i32,
            size_low[row] as i32,
            sums_row as i32,
            (threads[row] | u32::from(kind) << 24) as i32,
            tick_low[row] as i32,
            (tick_high[row] | (serial >> 32 << 21) as u32) as i32,
            serial as i32,
        ];
        sums[COUNT] += 1.0;
        sums[BYTES] += bytes;
        state[At::AllocatedBytes as usize] += bytes;
        live_bytes += bytes;
        live_count += 1.0;
        *last = address;
        serial += 1;
        row += 1;
        if tag == 0 {
            used_count += 1.0;
            if used_count > grow_at {
                stop = Stop::Slots;
                break;
            }
        }
    }

    state[At::Row as usize] = row as f64;
    state[At::AllocationCount as usize] = serial as f64;
    state[At::LiveCount as usize] = live_count;
    state[At::LiveBytes as usize] = live_bytes;
    state[At::CeilingBytes as usize] = ceiling_bytes;
    state[At::UsedCount as usize] = used_count;
    Ok(stop)
}

/// Puts what is live into an empty table.
pub fn move_live(old: &[i32], slots: &mut [i32]) {
    let slots: &mut [Slot] = slots.as_chunks_mut().0;
    for slot in old.as_chunks().0 {
        if slot[4] > 0 {
            let to = free_place(slot, slots);
            slots[to] = *slot;
        }
    }
}

/// Takes out what is released, in place: from behind an empty slot on, each live one moves to the first free
/// place at or behind its home. Those before it stand already, so it never moves onward.
pub fn purge_released(slots: &mut [i32]) {
    let slots: &mut [Slot] = slots.as_chunks_mut().0;
    let Some(start) = slots.iter().position(|slot| slot[4] == 0) else { return };
    for at in (start + 1..slots.len()).chain(0..start) {
        let slot = slots[at];
        slots[at][4] = 0;
        if slot[4] > 0 {
            let to = free_place(&slot, slots);
            slots[to] = slot;
        }
    }
}

fn free_place(of: &Slot, slots: &[Slot]) -> usize {
    let mask = slots.len() - 1;
    let shift = 32 - slots.len().trailing_zeros();
    let mut at = home_of(of[0] as u32, of[1] as u32 & 0xffff, shift) & mask;
    while slots[at][4] != 0 {
        at = (at + 1) & mask;
    }
    at
}

fn damaged() -> Failure {
    Failure::new(
        "ERR_MEMPROF_NATIVE",
        "a ledger's slot names a stack that the ledger does not know",
    )
}

// What the loop does with events is held against a plain Map, through the boundary: test/ledger/ledger.test.ts.
#[cfg(test)]
mod tests {
    use super::*;

    const STATE_LENGTH: usize = STATE_WORDS + EVENT_TYPES;

    struct Memory {
        slots: Vec<i32>,
        row_of_stack: Vec<u32>,
        sums: Vec<f64>,
        last: Vec<f64>,
        state: Vec<f64>,
    }

    impl Memory {
        fn new() -> Self {
            let mut state = vec![0.0; STATE_LENGTH];
            state[At::RowLimit as usize] = 1.0;
            Self {
                slots: vec![0; 8 * 4],
                row_of_stack: vec![0; 4],
                sums: vec![0.0; 8 * 4],
                last: vec![0.0; 2],
                state,
            }
        }

        fn tables(&mut self) -> Outcome<Tables<'_>> {
            Tables::over(
                &mut self.slots,
                &mut self.row_of_stack,
                &mut self.sums,
                &mut self.last,
                &mut self.state,
            )
        }

        fn consume(&mut self, batch: &mut Batch, start: usize, count: usize) -> (Stop, usize) {
            let stop = consume(batch, start, count, self.tables().unwrap()).unwrap();
            (stop, self.state[At::Row as usize] as usize)
        }
    }

    #[test]
    fn what_is_live_is_found_after_the_released_were_taken_out_or_the_table_grew() {
        // Slots of one home, the last of the table, so that they wrap: released and live in turn.
        let home = |address: u32| home_of(address, 0, 32 - 4);
        let addresses: Vec<u32> = (1..).filter(|&address| home(address) == 15).take(9).collect();
        let mut slots = vec![0; 8 * 16];
        for (i, &address) in addresses.iter().enumerate() {
            let at = 8 * ((15 + i) % 16);
            slots[at] = address as i32;
            slots[at + 4] = if i % 2 == 0 { RELEASED_TAG } else { 1 };
        }
        let mut grown = vec![0; 8 * 32];
        move_live(&slots, &mut grown);
        purge_released(&mut slots);
        for table in [&slots, &grown] {
            let table: &[Slot] = table.as_chunks().0;
            assert_eq!(table.iter().filter(|slot| slot[4] != 0).count(), 4);
            for address in addresses.iter().skip(1).step_by(2) {
                let shift = 32 - table.len().trailing_zeros();
                let mut at = home_of(*address, 0, shift);
                while table[at][0] != *address as i32 {
                    assert_ne!(table[at][4], 0);
                    at = (at + 1) % table.len();
                }
                assert_eq!(table[at][4], 1);
            }
        }
    }

    /// Allocations, 16 bytes apart.
    fn allocations(batch: &mut Batch, count: usize) {
        for row in 0..count {
            batch.kind[row] = 1;
            batch.address_low[row] = 16 * (1 + row as u32);
            batch.size_low[row] = 10;
            batch.stack_id[row] = 3;
        }
    }

    #[test]
    fn it_stops_where_a_table_has_no_room_and_goes_on_from_there() {
        let mut memory = vec![0.0; 41];
        let mut batch = Batch::over(&mut memory).unwrap();
        allocations(&mut batch, 8);
        batch.thread_index[1] = 2;
        batch.stack_id[2] = 4;
        let mut of = Memory::new();
        assert_eq!(of.consume(&mut batch, 0, 8), (Stop::Threads, 1));
        of.last.resize(3, 0.0);
        assert_eq!(of.consume(&mut batch, 1, 8), (Stop::Stacks, 2));
        of.row_of_stack.resize(5, 0);
        // 3 of 4 slots: more than 0.7.
        assert_eq!(of.consume(&mut batch, 2, 8), (Stop::Slots, 3));
        assert_eq!(of.state[At::LiveBytes as usize], 30.0);
    }

    #[test]
    fn an_event_that_is_not_about_blocks_is_left_to_the_caller() {
        let mut memory = vec![0.0; 41];
        let mut batch = Batch::over(&mut memory).unwrap();
        allocations(&mut batch, 2);
        batch.kind[1] = FREE_LAST + 1;
        let mut of = Memory::new();
        assert_eq!(of.consume(&mut batch, 0, 2), (Stop::Done, 1));
        assert_eq!(of.consume(&mut batch, 1, 2), (Stop::Done, 1));
        assert_eq!(of.consume(&mut batch, 2, 2), (Stop::Done, 2));
    }

    #[test]
    fn memory_that_cannot_be_tables_or_a_batch_is_refused() {
        let mut memory = vec![0.0; 41];
        let mut batch = Batch::over(&mut memory).unwrap();
        let mut of = Memory::new();
        assert!(consume(&mut batch, 0, 9, of.tables().unwrap()).is_err());
        of.slots.truncate(8 * 3);
        assert!(of.tables().is_err());
        of.slots.clear();
        assert!(of.tables().is_err());
        of = Memory::new();
        of.state.pop();
        assert!(of.tables().is_err());
        // A slot that names a stack beyond the sums.
        of = Memory::new();
        allocations(&mut batch, 1);
        of.consume(&mut batch, 0, 1);
        batch.kind[0] = ALLOC_LAST + 1;
        of.sums.truncate(8);
        assert!(consume(&mut batch, 0, 1, of.tables().unwrap()).is_err());
    }
}
