//! Columns of tables to bytes: the stack table, totals by stack, and live sets. The layout is in docs/trace-format.md.

use super::bytes::{zigzag_of, Column};
use crate::error::{Failure, Outcome};

/// Rows for which room is made at once.
const SLAB: usize = 4096;

/// Columns of `StackTable` in src/model/index.ts.
pub struct Stacks<'a> {
    pub parent: &'a [u32],
    pub kind: &'a [u8],
    pub index: &'a [u32],
    pub offset: &'a [f64],
}

/// Nodes `from` to `to` - 1. Parents as distances: most nodes extend a young one.
pub fn stacks(table: &Stacks<'_>, from: usize, to: usize) -> Outcome<Vec<u8>> {
    let nodes = from..to;
    let (Some(parents), Some(kinds), Some(indexes), Some(offsets)) = (
        table.parent.get(nodes.clone()),
        table.kind.get(nodes.clone()),
        table.index.get(nodes.clone()),
        table.offset.get(nodes.clone()),
    ) else {
        return Err(Failure::new(
            "EINVAL",
            format!("nodes {from} to {to} of {}", table.kind.len()),
        ));
    };
    let mut out = Column::default();
    out.put_varint(from as u64);
    out.put_varint(nodes.len() as u64);
    let mut id = from as u64;
    for at in (0..nodes.len()).step_by(SLAB) {
        let slab = at..nodes.len().min(at + SLAB);
        let mut pen = out.room_for(4 * SLAB);
        for (((parent, kind), index), offset) in parents[slab.clone()]
            .iter()
            .zip(&kinds[slab.clone()])
            .zip(&indexes[slab.clone()])
            .zip(&offsets[slab])
        {
            pen.put_varint(id.saturating_sub(u64::from(*parent)));
            pen.put(*kind);
            pen.put_varint(u64::from(*index));
            pen.put_varint(*offset as u64);
            id += 1;
        }
        let length = pen.length();
        out.set_length(length);
    }
    Ok(out.into_bytes())
}

/// `columns`: of `StackTotals` in src/model/index.ts, the number of allocations first. Only stacks that
/// allocated are written: most nodes are on the way to one.
pub fn stack_totals(columns: [&[f64]; 5]) -> Outcome<Vec<u8>> {
    let counts = columns[0];
    if columns.iter().any(|column| column.len() != counts.len()) {
        return Err(Failure::new("EINVAL", "totals of different lengths"));
    }
    let mut out = Column::default();
    out.put_varint(counts.len() as u64);
    out.put_varint(counts.iter().filter(|count| **count != 0.0).count() as u64);
    let mut last = 0;
    for at in (0..counts.len()).step_by(SLAB) {
        let mut pen = out.room_for((1 + columns.len()) * SLAB);
        for id in at..counts.len().min(at + SLAB) {
            if counts[id] == 0.0 {
                continue;
            }
            pen.put_varint((id - last) as u64);
            last = id;
            for column in columns {
                pen.put_varint(column[id] as u64);
            }
        }
        let length = pen.length();
        out.set_length(length);
    }
    Ok(out.into_bytes())
}

/// Columns of `LiveSet` in src/model/index.ts.
pub struct Live<'a> {
    pub address: &'a [f64],
    pub size_bytes: &'a [f64],
    pub stack_id: &'a [u32],
    pub thread_index: &'a [u32],
    pub born_ns: &'a [f64],
    pub entry: &'a [u8],
}

/// In order of allocation. Times as doubles: they are exact, and few beside the events.
pub fn live_set(live: &Live<'_>) -> Outcome<Vec<u8>> {
    let count = live.entry.len();
    let lengths = [
        live.address.len(),
        live.size_bytes.len(),
        live.stack_id.len(),
        live.thread_index.len(),
        live.born_ns.len(),
    ];
    if lengths.iter().any(|length| *length != count) {
        return Err(Failure::new("EINVAL", "columns of live blocks of different lengths"));
    }
    let mut out = Column::default();
    out.put_varint(count as u64);
    let mut last = 0;
    out.put_varints(live.address.iter().map(|address| {
        let distance = *address as i64 - last;
        last = *address as i64;
        zigzag_of(distance)
    }));
    out.put_varints(live.size_bytes.iter().map(|size| *size as u64));
    out.put_varints(live.stack_id.iter().map(|id| u64::from(*id)));
    out.put_varints(live.thread_index.iter().map(|index| u64::from(*index)));
    for slab in live.born_ns.chunks(SLAB) {
        let bytes: Vec<u8> = slab.iter().flat_map(|born| born.to_le_bytes()).collect();
        out.put_all(&bytes);
    }
    out.put_all(live.entry);
    Ok(out.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_are_not_there_are_refused() {
        let (parent, index) = ([0, 0, 1], [5, 6, 7]);
        let (kind, offset) = ([1, 2, 3], [300.0, 0.0, 1.0]);
        let table = Stacks { parent: &parent, kind: &kind, index: &index, offset: &offset };
        assert_eq!(stacks(&table, 1, 3).unwrap(), [1, 2, 1, 2, 6, 0, 1, 3, 7, 1]);
        assert!(stacks(&table, 1, 4).is_err());
        assert!(stacks(&table, 3, 2).is_err());
        assert!(stacks(&Stacks { offset: &[], ..table }, 1, 3).is_err());
    }

    #[test]
    fn only_stacks_that_allocated_have_totals() {
        let some = [0.0, 2.0, 0.0, 1.0];
        let other = [0.0, 200.0, 0.0, 4.0];
        let bytes = stack_totals([&some, &other, &some, &some, &some]).unwrap();
        assert_eq!(bytes, [4, 2, 1, 2, 0xc8, 1, 2, 2, 2, 2, 1, 4, 1, 1, 1]);
        assert!(stack_totals([&some, &other, &some, &some, &[]]).is_err());
    }

    #[test]
    fn live_blocks_stand_in_columns() {
        let live = Live {
            address: &[1000.0, 990.0],
            size_bytes: &[300.0, 8.0],
            stack_id: &[7, 8],
            thread_index: &[0, 1],
            born_ns: &[0.0, 1.0],
            entry: &[1, 2],
        };
        let mut expected = vec![2, 0xd0, 0x0f, 19, 0xac, 2, 8, 7, 8, 0, 1];
        expected.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 1, 2]);
        assert_eq!(live_set(&live).unwrap(), expected);
        assert!(live_set(&Live { born_ns: &[0.0], ..live }).is_err());
    }
}
