//! A batch of events in columns: `EventBatch` of src/ledger/events.ts, in the memory that both see.

use crate::error::{Failure, Outcome};

/// What a row is, as far as the loops tell kinds apart: `EventType` of src/ledger/events.ts.
pub mod kind {
    /// malloc() and its kin are numbered from 1 on; those up to ALLOC_LAST would be, too.
    pub const ALLOC_KNOWN_LAST: u8 = 0x09;
    pub const ALLOC_LAST: u8 = 0x1f;
    pub const FREE: u8 = 0x20;
    pub const FREE_KNOWN_LAST: u8 = 0x23;
    pub const FREE_LAST: u8 = 0x2f;
    /// Added to an allocation that its own thread freed by the next event of all.
    pub const PAIR: u8 = 0x80;
}

/// Words of 8 bytes that 8 rows take.
const WORDS_OF_8_ROWS: usize = 8 + 8 * 4 + 1;

/// Columns of equal length in this order without gaps, so that the length follows from the memory's size.
/// What they hold is told at `EventBatch`. Rows that no event has yet lie behind the batch's count.
pub struct Batch<'a> {
    pub age: &'a mut [f64],
    pub tick_low: &'a mut [u32],
    pub tick_high: &'a mut [u32],
    pub address_low: &'a mut [u32],
    pub address_high: &'a mut [u32],
    pub size_low: &'a mut [u32],
    pub size_high: &'a mut [u32],
    pub stack_id: &'a mut [u32],
    pub thread_index: &'a mut [u32],
    pub kind: &'a mut [u8],
}

impl<'a> Batch<'a> {
    pub fn over(memory: &'a mut [f64]) -> Outcome<Self> {
        let word_count = memory.len();
        if word_count == 0 || !word_count.is_multiple_of(WORDS_OF_8_ROWS) {
            return Err(Failure::new(
                "EINVAL",
                format!("{} bytes are no batch of events", 8 * word_count),
            ));
        }
        let rows = word_count / WORDS_OF_8_ROWS * 8;
        let (age, rest) = memory.split_at_mut(rows);
        let (halves, bytes) = rest.split_at_mut(4 * rows);
        // SAFETY: every bit pattern is a value of these types, and doubles are aligned more strictly.
        let (_, mut halves, _) = unsafe { halves.align_to_mut::<u32>() };
        // SAFETY: as above.
        let (_, kind, _) = unsafe { bytes.align_to_mut::<u8>() };
        let mut next = || halves.split_off_mut(..rows).unwrap_or_default();
        Ok(Self {
            age,
            tick_low: next(),
            tick_high: next(),
            address_low: next(),
            address_high: next(),
            size_low: next(),
            size_high: next(),
            stack_id: next(),
            thread_index: next(),
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_follow_each_other_and_fill_the_memory() {
        let mut memory = vec![0.0; 3 * WORDS_OF_8_ROWS];
        let batch = Batch::over(&mut memory).unwrap();
        batch.age[23] = f64::from_bits(1);
        batch.tick_low.fill(2);
        batch.thread_index.fill(3);
        batch.kind.fill(4);
        assert_eq!(batch.kind.len(), 24);
        assert_eq!(memory[23].to_bits(), 1);
        assert_eq!(memory[24].to_bits(), 0x2_0000_0002);
        assert_eq!(memory[24 * 5 - 1].to_bits(), 0x3_0000_0003);
        assert_eq!(memory[24 * 5].to_bits(), 0x0404_0404_0404_0404);
    }

    #[test]
    fn other_memory_is_refused() {
        for length in [0, 1, WORDS_OF_8_ROWS - 1, WORDS_OF_8_ROWS + 1] {
            assert!(Batch::over(&mut vec![0.0; length]).is_err());
        }
    }
}
