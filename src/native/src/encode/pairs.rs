//! The (stack, size) pairs of one chunk of events, numbered from 1 in order of first use. Open addressing.

use crate::prefetch::prefetch;

/// A quarter of a cache line. Number 0: nobody is here.
#[derive(Clone, Copy, Default)]
struct Slot {
    size: u64,
    stack: u32,
    number: u32,
}

pub struct PairTable {
    slots: Vec<Slot>,
    /// Bits of a hash that are not the slot's.
    shift: u32,
    count: u32,
}

const FIRST_LOG2: u32 = 8;

impl PairTable {
    pub fn new() -> Self {
        Self {
            slots: vec![Slot::default(); 1 << FIRST_LOG2],
            shift: u64::BITS - FIRST_LOG2,
            count: 0,
        }
    }

    pub fn clear(&mut self) {
        self.slots.fill(Slot::default());
        self.count = 0;
    }

    /// This pair will be asked for soon: with sharp, half of the encoder's time was waiting for its slot.
    #[inline(always)]
    pub fn prefetch(&self, stack: u32, size: u64) {
        prefetch(&self.slots, self.home_of(stack, size));
    }

    /// The pair's number; None when it is new, and then it is added.
    #[inline]
    pub fn find(&mut self, stack: u32, size: u64) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = self.home_of(stack, size);
        loop {
            let slot = self.slots[at & mask];
            if slot.number == 0 {
                break;
            }
            if slot.stack == stack && slot.size == size {
                return Some(slot.number);
            }
            at += 1;
        }
        self.count += 1;
        self.slots[at & mask] = Slot { size, stack, number: self.count };
        if self.count as usize > self.slots.len() / 2 {
            self.grow();
        }
        None
    }

    fn grow(&mut self) {
        let wider = vec![Slot::default(); 2 * self.slots.len()];
        let old = std::mem::replace(&mut self.slots, wider);
        self.shift -= 1;
        let mask = self.slots.len() - 1;
        for slot in old.into_iter().filter(|slot| slot.number != 0) {
            let mut at = self.home_of(slot.stack, slot.size);
            while self.slots[at & mask].number != 0 {
                at += 1;
            }
            self.slots[at & mask] = slot;
        }
    }

    #[inline(always)]
    fn home_of(&self, stack: u32, size: u64) -> usize {
        let key = (u64::from(stack) << 32).wrapping_add(size);
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn pairs_are_numbered_in_order_of_first_use_in_each_chunk(
            chunks in prop::collection::vec(
                prop::collection::vec((0..60u32, prop_oneof![0..60u64, Just(1 << 40)]), 0..2000),
                1..4,
            )
        ) {
            let mut table = PairTable::new();
            for chunk in chunks {
                let mut known: HashMap<(u32, u64), u32> = HashMap::new();
                for (stack, size) in chunk {
                    let next = known.len() as u32 + 1;
                    prop_assert_eq!(table.find(stack, size), known.get(&(stack, size)).copied());
                    known.entry((stack, size)).or_insert(next);
                }
                table.clear();
            }
        }
    }
}
