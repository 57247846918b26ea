//! Nodes of a process's stack table out of its shared chunks: StackNode in interpose/wire.h, taken apart as
//! `pushFrame` of src/record/stack-reader.ts does it for single frames.

use std::sync::atomic::{AtomicU32, Ordering};

const NODE_WORDS: usize = 4;

// MpFrameKind in interpose/wire.h.
const NATIVE: u32 = 1;
const NATIVE_PC: u32 = 2;
const JS_BYTECODE: u32 = 3;
const JS_CODE: u32 = 4;
const BUILTIN: u32 = 5;
const UNKNOWN: u32 = 6;
const V8_UNNAMED: u32 = 7;
const MARKER: u32 = 8;
const NATIVE_RECOVERED: u32 = 9;

/// `StackTable` of src/model, by id.
pub struct Columns<'a> {
    pub parent: &'a mut [u32],
    pub kind: &'a mut [u8],
    pub index: &'a mut [u32],
    pub offset: &'a mut [f64],
}

/// What came of it: the first id that was not read, and how many nodes named a parent that cannot be.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    pub next: usize,
    pub broken: u32,
}

/// Reads the ids from `from` to before `end`, as far as the columns go. `first`: the id of the chunk's first node. Ends
/// before the first node that its writer has not finished; `is_final`: the writer is gone, take everything.
pub fn read(
    chunk: &[AtomicU32],
    first: usize,
    from: usize,
    end: usize,
    is_final: bool,
    out: &mut Columns<'_>,
) -> Read {
    let rows = out.parent.len().min(out.kind.len()).min(out.index.len()).min(out.offset.len());
    let mut broken = 0;
    for id in from..end.min(rows) {
        let at = (id - first) * NODE_WORDS;
        // What is missing of a chunk reads as zeros. The two upper halves first: a half that is there came with the
        // other one, in one store.
        let word = |of: usize| chunk.get(at + of).map_or(0, |word| word.load(Ordering::Acquire));
        let depth = word(3);
        let high = word(1);
        if (depth == 0 || high >> 28 == 0) && !is_final {
            return Read { next: id, broken };
        }
        let mut parent = word(2);
        if parent as usize >= id {
            parent = 0;
            broken += 1;
        }
        let (kind, index, offset) = frame_of(word(0), high);
        out.parent[id] = parent;
        out.kind[id] = kind as u8;
        out.index[id] = index;
        out.offset[id] = offset;
    }
    Read { next: end.min(rows).max(from), broken }
}

fn frame_of(low: u32, high: u32) -> (u32, u32, f64) {
    let wide = |top: u32| (u64::from(top) << 32 | u64::from(low)) as f64;
    match high >> 28 {
        kind @ (NATIVE | NATIVE_PC | NATIVE_RECOVERED) => {
            (kind, high >> 8 & 0xf_ffff, wide(high & 0xff))
        }
        kind @ (JS_BYTECODE | JS_CODE | BUILTIN) => (kind, high & 0xfff_ffff, f64::from(low)),
        MARKER => (MARKER, low, 0.0),
        // And a kind that is none: shown as the bare address.
        kind => (if kind == V8_UNNAMED { kind } else { UNKNOWN }, 0, wide(high & 0xffff)),
    }
}

// What each kind becomes is compared with `pushFrame`, through the boundary: test/record/stack-reader.test.ts.
#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(words: &[u32], end: usize, is_final: bool) -> (Read, Vec<u32>) {
        let chunk: Vec<AtomicU32> = words.iter().map(|&word| AtomicU32::new(word)).collect();
        let (mut parent, mut kind) = (vec![9; 4], vec![9; 4]);
        let (mut index, mut offset) = (vec![9; 4], vec![9.0; 4]);
        let mut out = Columns {
            parent: &mut parent,
            kind: &mut kind,
            index: &mut index,
            offset: &mut offset,
        };
        (read(&chunk, 0, 1, end, is_final, &mut out), parent)
    }

    const DONE: u32 = UNKNOWN << 28;

    #[test]
    fn a_node_that_is_not_finished_ends_it_unless_its_writer_is_gone() {
        let words = [0, 0, 0, 0, 1, DONE, 0, 1, 1, DONE, 1, 0];
        assert_eq!(read_all(&words, 3, false).0, Read { next: 2, broken: 0 });
        assert_eq!(read_all(&words, 3, true).0, Read { next: 3, broken: 0 });
    }

    #[test]
    fn a_parent_that_is_not_below_its_child_is_none() {
        let words = [0, 0, 0, 0, 1, DONE, 1, 1, 1, DONE, 1, 2];
        assert_eq!(read_all(&words, 3, false), (Read { next: 3, broken: 1 }, vec![9, 0, 1, 9]));
    }

    #[test]
    fn it_stays_within_the_chunk_and_the_columns() {
        assert_eq!(read_all(&[], 9, false).0, Read { next: 1, broken: 0 });
        assert_eq!(read_all(&[], 9, true).0, Read { next: 4, broken: 0 });
    }
}
