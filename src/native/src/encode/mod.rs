//! What a trace has most of to bytes: events, a chunk of them column by column, and tables. The layout is in docs/trace-format.md; decoders
//! are in src/trace.

mod bytes;
mod pairs;
mod predictor;
pub mod tables;

use crate::batch::kind::{ALLOC_LAST, FREE_LAST, PAIR};
use crate::batch::Batch;
use crate::error::{Failure, Outcome};
use bytes::{put_varint, zigzag_of, Column};
use pairs::PairTable;
use predictor::Predictor;

// How an allocation's address is told where it is none of those remembered.
const FRESH: u8 = 16;
const DELTA_16: u8 = 17;
const DELTA: u8 = 18;

/// How far ahead of its row a pair's slot is asked for: some 100 ns.
const ROWS_AHEAD: usize = 8;

pub struct Encoder {
    rows_per_chunk: usize,
    /// By type: 8-byte words of a record, its word 0 included.
    record_words: [u8; 256],
    predictor: Predictor,
    pairs_of_chunk: PairTable,
    types: Column,
    threads: Column,
    times: Column,
    pairs: Column,
    uses: Column,
    placements: Column,
    addresses: Column,
    ages: Column,
    rare: Column,
    row_count: usize,
    event_count: usize,
    run_thread: u32,
    run_length: u64,
    ns_per_tick: f64,
    shift: u32,
    start_time: u64,
    last_time: u64,
}

impl Encoder {
    pub fn new(rows_per_chunk: usize, record_words: &[u8]) -> Outcome<Self> {
        let record_words = record_words.try_into().map_err(|_| {
            Failure::new(
                "EINVAL",
                format!("{} record lengths, not one for each of 256 types", record_words.len()),
            )
        })?;
        Ok(Self {
            rows_per_chunk,
            record_words,
            predictor: Predictor::new(),
            pairs_of_chunk: PairTable::new(),
            types: Column::default(),
            threads: Column::default(),
            times: Column::default(),
            pairs: Column::default(),
            uses: Column::default(),
            placements: Column::default(),
            addresses: Column::default(),
            ages: Column::default(),
            rare: Column::default(),
            row_count: 0,
            event_count: 0,
            run_thread: 0,
            run_length: 0,
            ns_per_tick: 1.0,
            shift: 0,
            start_time: 0,
            last_time: 0,
        })
    }

    /// In the chunk so far; a pair is two.
    pub fn event_count(&self) -> usize {
        self.event_count
    }

    /// Takes rows from `start` on, up to `count` or the end of the chunk, and returns the next row.
    pub fn add(
        &mut self,
        batch: &Batch<'_>,
        rare_words: &[u32],
        start: usize,
        count: usize,
        ns_per_tick: f64,
    ) -> Outcome<usize> {
        if start > count || count > batch.kind.len() {
            return Err(Failure::new(
                "EINVAL",
                format!("rows {start} to {count} of a batch of {}", batch.kind.len()),
            ));
        }
        let end = count.min(start + (self.rows_per_chunk - self.row_count));
        if start == end {
            return Ok(end);
        }
        if self.row_count == 0 {
            self.begin(ns_per_tick, tick_of(batch, start));
        }
        self.types.put_all(&batch.kind[start..end]);
        self.add_threads(&batch.thread_index[start..end]);
        let pair_rows = self.add_times(batch, start, end);
        self.add_blocks(batch, rare_words, start, end)?;
        self.row_count += end - start;
        self.event_count += end - start + pair_rows;
        Ok(end)
    }

    /// The chunk's content; the encoder then stands at the start of the next chunk.
    pub fn finish(&mut self) -> Vec<u8> {
        self.end_run();
        let sections = [
            &self.types,
            &self.threads,
            &self.times,
            &self.pairs,
            &self.uses,
            &self.placements,
            &self.addresses,
            &self.ages,
            &self.rare,
        ];
        let room: usize = sections.iter().map(|section| section.written().len() + 10).sum();
        let mut out = Vec::with_capacity(64 + room);
        put_varint(&mut out, self.event_count as u64);
        out.extend_from_slice(&self.ns_per_tick.to_le_bytes());
        put_varint(&mut out, u64::from(self.shift));
        put_varint(&mut out, self.start_time);
        for section in sections {
            put_varint(&mut out, section.written().len() as u64);
            out.extend_from_slice(section.written());
        }
        for section in [
            &mut self.types,
            &mut self.threads,
            &mut self.times,
            &mut self.pairs,
            &mut self.uses,
            &mut self.placements,
            &mut self.addresses,
            &mut self.ages,
            &mut self.rare,
        ] {
            section.clear();
        }
        self.pairs_of_chunk.clear();
        self.row_count = 0;
        self.event_count = 0;
        out
    }

    fn begin(&mut self, ns_per_tick: f64, tick: u64) {
        self.ns_per_tick = ns_per_tick;
        // The power of two of ticks that is nearest to a microsecond.
        self.shift = (1000.0 / ns_per_tick).log2().round().clamp(0.0, 20.0) as u32;
        self.start_time = tick >> self.shift;
        self.last_time = self.start_time;
    }

    fn add_threads(&mut self, threads: &[u32]) {
        for run in threads.chunk_by(|a, b| a == b) {
            if run[0] != self.run_thread {
                self.end_run();
                self.run_thread = run[0];
            }
            self.run_length += run.len() as u64;
        }
    }

    fn end_run(&mut self) {
        if self.run_length > 0 {
            self.threads.put_varint(u64::from(self.run_thread));
            self.threads.put_varint(self.run_length);
        }
        self.run_length = 0;
    }

    /// Returns how many of the rows are pairs.
    fn add_times(&mut self, batch: &Batch<'_>, start: usize, end: usize) -> usize {
        let mut times = self.times.room_for(2 * (end - start));
        let shift = self.shift;
        let mut last_time = self.last_time;
        let mut pair_rows = 0;
        let mut put = |tick: u64| {
            let time = tick >> shift;
            times.put_varint(time.saturating_sub(last_time));
            last_time = time;
        };
        for row in start..end {
            let tick = tick_of(batch, row);
            put(tick);
            if batch.kind[row] >= PAIR {
                pair_rows += 1;
                put(tick.saturating_add(batch.age[row] as u64));
            }
        }
        let length = times.length();
        self.times.set_length(length);
        self.last_time = last_time;
        pair_rows
    }

    /// What was allocated and released, and where; and what the rare events say.
    fn add_blocks(
        &mut self,
        batch: &Batch<'_>,
        rare_words: &[u32],
        start: usize,
        end: usize,
    ) -> Outcome<()> {
        let rows = end - start;
        let mut uses = self.uses.room_for(rows);
        let mut placements = self.placements.room_for(rows);
        let mut addresses = self.addresses.room_for(rows);
        let mut ages = self.ages.room_for(rows);
        let predictor = &mut self.predictor;
        // Of the last allocation. Loops allocate the same again and again: then neither table is asked.
        let mut same: Option<(u32, u64, u32)> = None;
        let mut number = 0;
        let mut list = 0;
        for row in start..end {
            let ahead = (row + ROWS_AHEAD).min(end - 1);
            self.pairs_of_chunk.prefetch(
                batch.stack_id[ahead],
                word_of(batch.size_low[ahead], batch.size_high[ahead]),
            );
            let kind = batch.kind[row];
            let thread = batch.thread_index[row];
            if kind <= ALLOC_LAST || kind >= PAIR {
                let size = word_of(batch.size_low[row], batch.size_high[row]);
                let address = word_of(batch.address_low[row], batch.address_high[row]);
                let stack = batch.stack_id[row];
                if same != Some((stack, size, thread)) {
                    same = Some((stack, size, thread));
                    list = predictor.list(thread, size);
                    number = match self.pairs_of_chunk.find(stack, size) {
                        Some(known) => known,
                        None => {
                            self.pairs.put_varint(u64::from(stack));
                            self.pairs.put_varint(size);
                            // It has its number from the next time on.
                            same = None;
                            0
                        }
                    };
                }
                uses.put_varint(u64::from(number));
                let is_pair = kind >= PAIR;
                if predictor.is_newest(list, address) {
                    placements.put(0);
                    // A pair takes it and puts it back.
                    if !is_pair {
                        predictor.take(list, 0);
                    }
                    continue;
                }
                let placement = match predictor.find(list, address) {
                    Some(age) => {
                        predictor.take(list, age);
                        age as u8
                    }
                    None => {
                        let delta = address.wrapping_sub(predictor.fresh(thread)) as i64;
                        predictor.carved(thread, address, size);
                        if delta == 0 {
                            FRESH
                        } else if delta % 16 == 0 {
                            addresses.put_varint(zigzag_of(delta / 16));
                            DELTA_16
                        } else {
                            addresses.put_varint(zigzag_of(delta));
                            DELTA
                        }
                    }
                };
                placements.put(placement);
                if is_pair {
                    predictor.released(list, address);
                }
            } else if kind <= FREE_LAST {
                let address = word_of(batch.address_low[row], batch.address_high[row]);
                let age = batch.age[row];
                if age < 0.0 {
                    ages.put(0);
                    addresses.put_varint(address);
                } else {
                    ages.put_varint(age as u64 + 1);
                    let size = word_of(batch.size_low[row], batch.size_high[row]);
                    let list = predictor.list(thread, size);
                    predictor.released(list, address);
                }
            } else {
                let from = batch.stack_id[row] as usize;
                let length =
                    2 * usize::from(self.record_words[usize::from(kind)].saturating_sub(1));
                let halves = rare_words.get(from..from + length).ok_or_else(|| {
                    Failure::new("EINVAL", format!("a record of type {kind} lacks words"))
                })?;
                for half in halves {
                    self.rare.put_varint(u64::from(*half));
                }
            }
        }
        let lengths = [uses.length(), placements.length(), addresses.length(), ages.length()];
        self.uses.set_length(lengths[0]);
        self.placements.set_length(lengths[1]);
        self.addresses.set_length(lengths[2]);
        self.ages.set_length(lengths[3]);
        Ok(())
    }
}

fn tick_of(batch: &Batch<'_>, row: usize) -> u64 {
    word_of(batch.tick_low[row], batch.tick_high[row])
}

fn word_of(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_words_that_are_not_there_are_refused() {
        let mut memory = vec![0.0; 2 * 41];
        let batch = Batch::over(&mut memory).unwrap();
        batch.kind.fill(0x52);
        let mut encoder = Encoder::new(100, &[2; 256]).unwrap();
        assert!(encoder.add(&batch, &[1, 2], 0, 17, 1.0).is_err());
        assert!(encoder.add(&batch, &[1, 2], 3, 2, 1.0).is_err());
        assert!(encoder.add(&batch, &[1], 0, 1, 1.0).is_err());
        assert_eq!(
            Encoder::new(100, &[2; 256]).unwrap().add(&batch, &[1, 2], 0, 1, 1.0).unwrap(),
            1
        );
        assert!(Encoder::new(100, &[2; 255]).is_err());
    }
}
