//! Staged records of all rings into the one order of their process: the part of src/record/merge.ts that
//! most records take. What it does not know (rare records, damage) it leaves where it is, and says so.

use crate::batch::kind::{ALLOC_KNOWN_LAST, FREE, FREE_KNOWN_LAST, FREE_LAST, PAIR};
use crate::batch::Batch;

/// Ticks stay exact in a double.
const TICK_LIMIT: u64 = 1 << 53;
const STACK_NOT_TAKEN: u32 = 4;

const ALLOCATION_HALVES: usize = 6;
const RELEASE_HALVES: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// No ring has a record below the horizon.
    Horizon,
    /// The batch is full, and there is more.
    Full,
    /// This ring's segment was read to its end.
    Ended(usize),
    /// The next record of all is this ring's, and not for this loop.
    Other(usize),
}

/// A ring's first segment of staged records, and how far it is read.
pub struct Ring<'a> {
    pub staging: &'a [u32],
    pub from: usize,
    pub to: usize,
    /// Below 0: no thread has taken it yet.
    pub thread: i32,
    /// Of its last record that was taken.
    pub last_tick: u64,
}

/// What goes on from call to call.
pub struct Order {
    /// Rows of the batch that are filled, and those that it may have.
    pub count: usize,
    pub capacity: usize,
    pub last_tick: u64,
    /// Records at and above it are not final. Above all ticks: all are.
    pub horizon: u64,
    pub stack_limit: u32,
    pub fallen_tick_count: u32,
    pub unknown_stack_count: u32,
}

impl Ring<'_> {
    fn head_word(&self) -> u32 {
        self.staging[self.from + 1]
    }

    fn head_tick(&self) -> u64 {
        tick_of(self.staging[self.from], self.head_word())
    }

    fn is_at_release(&self) -> bool {
        (FREE..=FREE_LAST).contains(&kind_of(self.head_word()))
    }
}

fn kind_of(word: u32) -> u8 {
    (word >> 24) as u8
}

fn tick_of(low: u32, word: u32) -> u64 {
    u64::from(word & 0xff_ffff) << 32 | u64::from(low)
}

/// Every ring has at least one word staged.
pub fn take(batch: &mut Batch<'_>, rings: &mut [Ring<'_>], order: &mut Order) -> Stop {
    order.capacity = order.capacity.min(batch.kind.len());
    for ring in rings.iter_mut() {
        ring.to = ring.to.min(ring.staging.len());
    }
    loop {
        let mut chosen = None;
        let mut least = order.horizon;
        let mut second = order.horizon;
        for (index, candidate) in rings.iter().enumerate() {
            if candidate.to < candidate.from + 2 {
                return Stop::Ended(index);
            }
            let tick = candidate.head_tick();
            // At one tick a release goes before an allocation: it may be of the same address.
            let is_before = tick < least
                || tick == least
                    && candidate.is_at_release()
                    && chosen.is_some_and(|ring: usize| !rings[ring].is_at_release());
            if is_before {
                second = least;
                least = tick;
                chosen = Some(index);
            } else if tick < second {
                second = tick;
            }
        }
        let Some(index) = chosen else { return Stop::Horizon };
        match take_run(batch, &mut rings[index], second, order) {
            Run::Next => {}
            Run::Full => return Stop::Full,
            Run::Ended => return Stop::Ended(index),
            Run::Other => return Stop::Other(index),
        }
    }
}

enum Run {
    Next,
    Full,
    Ended,
    Other,
}

/// Takes the first record, then those below `limit`.
fn take_run(batch: &mut Batch<'_>, ring: &mut Ring<'_>, limit: u64, order: &mut Order) -> Run {
    let mut is_first = true;
    loop {
        let Some(words) = ring.staging.get(ring.from..ring.to) else { return Run::Ended };
        if words.len() < 2 {
            return Run::Ended;
        }
        let kind = kind_of(words[1]);
        let published = tick_of(words[0], words[1]);
        if !is_first && published >= limit {
            return Run::Next;
        }
        if order.count == order.capacity {
            return Run::Full;
        }
        let is_allocation = (1..=ALLOC_KNOWN_LAST).contains(&kind);
        let is_release = (FREE..=FREE_KNOWN_LAST).contains(&kind);
        let mut halves = if is_allocation { ALLOCATION_HALVES } else { RELEASE_HALVES };
        if !is_allocation && !is_release
            || words.len() < halves
            || published >= TICK_LIMIT
            || ring.thread < 0
        {
            return Run::Other;
        }
        is_first = false;
        let tick = published.max(order.last_tick);
        order.fallen_tick_count += u32::from(tick != published);
        order.last_tick = tick;
        let row = order.count;
        let mut row_kind = kind;
        let word1_high = words[3];
        batch.address_low[row] = words[2];
        batch.address_high[row] = word1_high & 0xffff;
        if is_allocation {
            let size_top = words[5];
            batch.size_low[row] = word1_high >> 16 | size_top << 16;
            batch.size_high[row] = size_top >> 16;
            let is_known = words[4] < order.stack_limit;
            batch.stack_id[row] = if is_known { words[4] } else { STACK_NOT_TAKEN };
            order.unknown_stack_count += u32::from(!is_known);
            // The block's release comes next, of all rings: one row for both.
            if let Some(next) = words.get(ALLOCATION_HALVES..ALLOCATION_HALVES + RELEASE_HALVES) {
                if kind_of(next[1]) == FREE
                    && next[2] == words[2]
                    && (next[3] ^ word1_high) & 0xffff == 0
                {
                    let end = tick_of(next[0], next[1]);
                    if end >= tick && end < limit && end < TICK_LIMIT {
                        row_kind += PAIR;
                        batch.age[row] = (end - tick) as f64;
                        order.last_tick = end;
                        halves += RELEASE_HALVES;
                    }
                }
            }
        }
        batch.kind[row] = row_kind;
        batch.thread_index[row] = ring.thread as u32;
        batch.tick_low[row] = tick as u32;
        batch.tick_high[row] = (tick >> 32) as u32;
        order.count = row + 1;
        ring.from += halves;
        ring.last_tick = order.last_tick;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MALLOC: u32 = 1;
    const THREAD_BEGIN: u32 = 0x40;

    fn allocation(tick: u32, address: u32) -> [u32; 6] {
        [tick, MALLOC << 24, address, 32 << 16, 9, 0]
    }

    fn release(tick: u32, address: u32) -> [u32; 4] {
        [tick, u32::from(FREE) << 24, address, 0]
    }

    fn ring(staging: &[u32], thread: i32) -> Ring<'_> {
        Ring { staging, from: 0, to: staging.len(), thread, last_tick: 0 }
    }

    /// Of each row: tick, thread, kind; and why it stopped.
    fn taken(rings: &mut [Ring<'_>], horizon: u64) -> (Vec<(u32, u32, u8)>, Stop) {
        let mut memory = vec![0.0; 41];
        let mut batch = Batch::over(&mut memory).unwrap();
        let mut order = Order {
            count: 0,
            capacity: 4,
            last_tick: 0,
            horizon,
            stack_limit: 10,
            fallen_tick_count: 0,
            unknown_stack_count: 0,
        };
        let stop = take(&mut batch, rings, &mut order);
        let row = |row| (batch.tick_low[row], batch.thread_index[row], batch.kind[row]);
        ((0..order.count).map(row).collect(), stop)
    }

    #[test]
    fn rings_are_read_in_the_order_of_their_ticks_until_one_is_at_its_end() {
        let first = [release(3, 0x10), release(5, 0x20)].concat();
        let second = [release(4, 0x30), release(9, 0x40)].concat();
        let (rows, stop) = taken(&mut [ring(&first, 0), ring(&second, 1)], u64::MAX);
        assert_eq!(rows, [(3, 0, 0x20), (4, 1, 0x20), (5, 0, 0x20)]);
        assert_eq!(stop, Stop::Ended(0));
    }

    #[test]
    fn at_one_tick_a_release_goes_before_an_allocation() {
        let (first, second) = (allocation(7, 0x10), release(7, 0x10));
        let (rows, stop) = taken(&mut [ring(&first, 0), ring(&second, 1)], u64::MAX);
        assert_eq!(rows, [(7, 1, 0x20)]);
        assert_eq!(stop, Stop::Ended(1));
    }

    #[test]
    fn a_block_that_is_freed_by_the_next_event_of_all_is_one_row() {
        let words = [&allocation(2, 0x10)[..], &release(6, 0x10)].concat();
        assert_eq!(taken(&mut [ring(&words, 0)], 7).0, [(2, 0, PAIR | 1)]);
        let (rows, stop) = taken(&mut [ring(&words, 0)], 6);
        assert_eq!((rows, stop), (vec![(2, 0, 1)], Stop::Horizon));
    }

    #[test]
    fn what_is_not_final_what_finds_no_room_and_what_is_no_block_stay_where_they_are() {
        let words: Vec<u32> = (1..=5).flat_map(|tick| release(tick, 16 * tick)).collect();
        let mut rings = [ring(&words, 0)];
        assert_eq!(taken(&mut rings, 3).1, Stop::Horizon);
        assert_eq!(rings[0].from, 2 * RELEASE_HALVES);
        let mut rings = [ring(&words, 0)];
        assert_eq!(taken(&mut rings, u64::MAX).1, Stop::Full);
        assert_eq!(rings[0].from, 4 * RELEASE_HALVES);
        for other in [[1, THREAD_BEGIN << 24, 0, 0], [1, 0xff << 24, 0, 0], [1, MALLOC << 24, 0, 0]]
        {
            let mut rings = [ring(&other, 0)];
            assert_eq!(taken(&mut rings, u64::MAX), (vec![], Stop::Other(0)));
            assert_eq!(rings[0].from, 0);
        }
        assert_eq!(taken(&mut [ring(&words, -1)], u64::MAX).1, Stop::Other(0));
    }
}
