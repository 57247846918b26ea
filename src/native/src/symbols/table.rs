//! Names by address from .symtab or .dynsym.
//!
//! Symbols may overlap, nest and have no size, so they are laid out once as disjoint spans:
//!
//!   outer  |--------------------|
//!   inner        |------|               spans:  outer, inner, outer, label
//!   label                        |- - - - - |   next symbol or end of section
//!
//! A symbol without size ends at the next one, and counts only outside of symbols with a size.

use std::cmp::Reverse;

use object::elf;

use super::bytes::Bytes;
use super::image::{Image, Section};

const SYMBOL_BYTES: usize = 24;
/// Real mangled names stay below; what is longer is not read to its end.
const LONGEST_NAME_BYTES: usize = 1 << 16;

#[derive(Debug, Clone, Copy)]
struct Symbol {
    start: u64,
    size: u64,
    name_offset: u32,
    section_end: u64,
    /// Of two symbols at one place the lower rank gives the name.
    rank: u8,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: u64,
    end: u64,
    symbol: u32,
}

#[derive(Debug, Default)]
pub struct SymbolTable {
    /// By start.
    symbols: Vec<Symbol>,
    /// Disjoint, by start.
    spans: Vec<Span>,
    names: Bytes,
}

#[derive(Debug, PartialEq)]
pub struct Found<'a> {
    pub name: &'a [u8],
    /// From the symbol's start.
    pub offset: u64,
}

impl SymbolTable {
    /// Every function and label in code.
    pub fn from_symtab(image: &Image) -> Self {
        Self::read(image, elf::SHT_SYMTAB, true)
    }

    /// Every exported function. Without a size it has no span: only `nearest` finds it.
    pub fn from_dynsym(image: &Image) -> Self {
        Self::read(image, elf::SHT_DYNSYM, false)
    }

    fn read(image: &Image, kind: elf::SectionType, labels: bool) -> Self {
        let Some(section) = image.sections.iter().find(|section| section.kind == kind) else {
            return Self::default();
        };
        let names = image.sections.get(section.link as usize);
        let names = names.and_then(|names| image.raw_bytes(names).ok());
        let (Ok(entries), Some(names)) = (image.raw_bytes(section), names) else {
            return Self::default();
        };
        let symbols = entries
            .chunks_exact(SYMBOL_BYTES)
            .filter_map(|entry| parse_symbol(entry, &image.sections, &names, labels))
            .collect();
        Self::new(symbols, names, labels)
    }

    fn new(mut symbols: Vec<Symbol>, names: Bytes, labels: bool) -> Self {
        symbols.sort_unstable_by_key(|symbol| {
            (symbol.start, Reverse(symbol.size), symbol.rank, symbol.name_offset)
        });
        symbols.dedup_by_key(|symbol| (symbol.start, symbol.size));
        let spans = lay_out(&symbols, labels);
        Self { symbols, spans, names }
    }

    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// The symbol whose own bytes hold the address.
    pub fn containing(&self, address: u64) -> Option<Found<'_>> {
        let after = self.spans.partition_point(|span| span.start <= address);
        let span = self.spans[..after].last().filter(|span| address < span.end)?;
        self.found(&self.symbols[span.symbol as usize], address)
    }

    /// The last symbol of the section that starts before the address, however far away.
    pub fn nearest(&self, address: u64, section: &Section) -> Option<Found<'_>> {
        let after = self.symbols.partition_point(|symbol| symbol.start <= address);
        let start = self.symbols[..after].last()?.start;
        if start < section.address {
            return None;
        }
        let first = self.symbols.partition_point(|symbol| symbol.start < start);
        self.found(&self.symbols[first], address)
    }

    fn found(&self, symbol: &Symbol, address: u64) -> Option<Found<'_>> {
        let name = name_at(&self.names, symbol.name_offset)?;
        Some(Found { name: without_version(name), offset: address - symbol.start })
    }
}

fn parse_symbol(entry: &[u8], sections: &[Section], names: &[u8], labels: bool) -> Option<Symbol> {
    let name_offset = super::image::u32_at(entry, 0)?;
    let (info, section_index) = (entry[4], u16::from_le_bytes([entry[6], entry[7]]));
    let start = super::image::u64_at(entry, 8)?;
    let size = super::image::u64_at(entry, 16)?;
    let is_function = match elf::SymbolType(info & 0xf) {
        elf::STT_FUNC | elf::STT_GNU_IFUNC => true,
        elf::STT_NOTYPE if labels => false,
        _ => return None,
    };
    // Undefined, absolute and common symbols have indices that no section of code has.
    let section = sections.get(usize::from(section_index))?;
    if section_index == 0 || !section.is_code() || !section.contains(start) {
        return None;
    }
    let name = name_at(names, name_offset)?;
    // ".annobin_x.c", ".L42": marks of tools, not names.
    if !is_function && name.starts_with(b".") {
        return None;
    }
    let binding = match elf::SymbolBind(info >> 4) {
        elf::STB_GLOBAL | elf::STB_GNU_UNIQUE => 0,
        elf::STB_WEAK => 1,
        _ => 2,
    };
    // "malloc" rather than its aliases "__libc_malloc" and "__malloc"; "_Z..." is not an underscored alias.
    let underscores = match name.starts_with(b"_Z") {
        true => 0,
        false => name.iter().take_while(|&&byte| byte == b'_').count().min(7) as u8,
    };
    Some(Symbol {
        start,
        size: size.min(section.end() - start),
        name_offset,
        section_end: section.end(),
        rank: u8::from(!is_function) << 7 | binding << 3 | underscores,
    })
}

/// None for an empty name, and for one outside of the string table.
fn name_at(names: &[u8], offset: u32) -> Option<&[u8]> {
    let rest = names.get(offset as usize..)?;
    let rest = &rest[..rest.len().min(LONGEST_NAME_BYTES)];
    let length = rest.iter().position(|&byte| byte == 0)?;
    (length > 0).then(|| &rest[..length])
}

/// "malloc@@GLIBC_2.2.5" is malloc.
fn without_version(name: &[u8]) -> &[u8] {
    match name.iter().position(|&byte| byte == b'@') {
        Some(at) if at > 0 => &name[..at],
        _ => name,
    }
}

/// One pass over the symbols by start, with the stack of those that are still open.
fn lay_out(symbols: &[Symbol], labels: bool) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::with_capacity(symbols.len());
    let mut open: Vec<(u64, u32)> = Vec::new();
    let mut done = 0;
    for (index, symbol) in symbols.iter().enumerate() {
        done = close(&mut open, &mut spans, done, symbol.start);
        let end = match (symbol.size, open.is_empty()) {
            (0, true) if labels => next_start(symbols, index).min(symbol.section_end),
            (0, _) => continue,
            (size, _) => symbol.start.saturating_add(size),
        };
        open.push((end, index as u32));
        done = symbol.start;
    }
    close(&mut open, &mut spans, done, u64::MAX);
    spans
}

/// Ends what ends before `until`, and gives the rest up to there to the innermost open symbol.
fn close(open: &mut Vec<(u64, u32)>, spans: &mut Vec<Span>, mut done: u64, until: u64) -> u64 {
    while let Some(&(end, symbol)) = open.last() {
        let stop = end.min(until);
        if done < stop {
            spans.push(Span { start: done, end: stop, symbol });
            done = stop;
        }
        if end > until {
            break;
        }
        open.pop();
    }
    done
}

/// Equal starts are sorted by falling size, so the next larger start follows soon.
fn next_start(symbols: &[Symbol], index: usize) -> u64 {
    let start = symbols[index].start;
    let rest = &symbols[index + 1..];
    rest.iter().map(|symbol| symbol.start).find(|&next| next > start).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECTION_START: u64 = 0x1000;
    const SECTION_END: u64 = 0x1100;

    /// (start, size): names are "s0", "s1", ... in the order given.
    fn table(placed: &[(u64, u64)], labels: bool) -> SymbolTable {
        let mut names = vec![0];
        let mut symbols = Vec::new();
        for (index, &(start, size)) in placed.iter().enumerate() {
            symbols.push(Symbol {
                start,
                size,
                name_offset: names.len() as u32,
                section_end: SECTION_END,
                rank: 0,
            });
            names.extend(format!("s{index}\0").bytes());
        }
        SymbolTable::new(symbols, names, labels)
    }

    /// One letter per 4 bytes of the section's first 0x40: the symbol's number, or "." for none.
    fn draw(table: &SymbolTable) -> String {
        (SECTION_START..SECTION_START + 0x40)
            .step_by(4)
            .map(|address| match table.containing(address) {
                Some(found) => found.name[1] as char,
                None => '.',
            })
            .collect()
    }

    #[test]
    fn nested_symbols_are_found_innermost_first() {
        let table = table(&[(0x1000, 0x20), (0x1008, 0x8), (0x1030, 0x8)], true);
        assert_eq!(draw(&table), "00110000....22..");
    }

    #[test]
    fn a_symbol_that_reaches_out_of_another_keeps_its_own_bytes() {
        let table = table(&[(0x1000, 0x10), (0x1008, 0x18)], true);
        assert_eq!(draw(&table), "00111111........");
    }

    #[test]
    fn a_label_without_size_ends_at_the_next_symbol_and_never_hides_a_function() {
        let table =
            table(&[(0x1000, 0x10), (0x1008, 0), (0x1018, 0), (0x1028, 0), (0x1030, 0x8)], true);
        assert_eq!(draw(&table), "0000..22223344..");
    }

    #[test]
    fn exports_without_size_name_only_what_is_nearest() {
        let table = table(&[(0x1000, 0), (0x1020, 0x8)], false);
        assert_eq!(draw(&table), "........11......");
        let section = Section {
            name: b".text".to_vec(),
            kind: elf::SHT_PROGBITS,
            flags: 6,
            address: SECTION_START,
            offset: 0,
            size: 0x100,
            link: 0,
        };
        assert_eq!(table.nearest(0x1010, &section), Some(Found { name: b"s0", offset: 0x10 }));
        assert_eq!(table.nearest(0x1090, &section), Some(Found { name: b"s1", offset: 0x70 }));
        let later = Section { address: 0x1080, ..section };
        assert_eq!(table.nearest(0x1090, &later), None);
    }

    #[test]
    fn a_version_is_not_part_of_a_name() {
        assert_eq!(without_version(b"malloc@@GLIBC_2.2.5"), b"malloc");
        assert_eq!(without_version(b"@odd"), b"@odd");
    }

    proptest! {
        #[test]
        fn the_answer_is_a_symbol_that_holds_the_address_and_every_held_address_has_one(
            placed in proptest::collection::vec((0x1000u64..0x1040, 1u64..0x20), 0..12),
        ) {
            let table = table(&placed, true);
            for address in 0x1000..0x1060 {
                let held = |&(start, size): &(u64, u64)| start <= address && address < start + size;
                match table.containing(address) {
                    Some(found) => {
                        let index: usize = std::str::from_utf8(&found.name[1..]).unwrap().parse().unwrap();
                        prop_assert!(held(&placed[index]));
                        prop_assert_eq!(found.offset, address - placed[index].0);
                    }
                    None => prop_assert!(!placed.iter().any(held)),
                }
            }
        }
    }
}
