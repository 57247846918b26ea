//! Names of data: globals and vtables by address, and whether a file has given symbols or texts.
//! Read as functions are, from .symtab (of the file or its debug file) and .dynsym.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use object::elf;

use super::bytes::Bytes;
use super::demangle::demangle;
use super::image::{u32_at, u64_at, Image, Section};
use super::locate;

pub(super) const SYMBOL_BYTES: usize = 24;
const LONGEST_NAME_BYTES: usize = 1 << 16;
/// Constants beyond this are no place where an allocator keeps its messages.
const LARGEST_CONSTANTS_BYTES: u64 = 64 << 20;

#[derive(Debug, Clone, PartialEq)]
pub struct DataName {
    /// Demangled: "vtable for Image", "cache::images".
    pub symbol: String,
    /// Of the address, from the symbol's start.
    pub offset: u64,
}

#[derive(Debug, Clone, Copy)]
struct Object {
    start: u64,
    end: u64,
    /// Of all objects up to this one: where the search back may end.
    last_end: u64,
    table: usize,
    name_offset: u32,
}

/// The symbols of one file's data.
#[derive(Debug, Default)]
pub struct DataSymbols {
    /// By start, the larger first.
    objects: Vec<Object>,
    names: Vec<Bytes>,
}

impl DataSymbols {
    /// `expected_build_id` empty: whatever file is there is the right one. Nothing where it is another.
    pub fn open(path: &Path, expected_build_id: &[u8], folders: &[PathBuf]) -> Self {
        let mut symbols = Self::default();
        let image = Image::open(path)
            .ok()
            .filter(|image| expected_build_id.is_empty() || image.build_id == expected_build_id);
        let debug = match &image {
            Some(image) => locate::find_debug_file(image, path, folders),
            None => locate::find_by_build_id(expected_build_id, folders),
        };
        for image in image.iter().chain(debug.iter().map(|(image, _)| image)) {
            symbols.add(image, elf::SHT_SYMTAB);
            symbols.add(image, elf::SHT_DYNSYM);
        }
        symbols.lay_out();
        symbols
    }

    pub fn resolve(&self, addresses: &[f64]) -> Vec<Option<DataName>> {
        let mut demangled: HashMap<(usize, u32), String> = HashMap::new();
        let name = |address: &f64| {
            // An address beyond 2^53 or a fraction is nobody's; the cast saturates.
            let address = *address as u64;
            let object = self.containing(address)?;
            let key = (object.table, object.name_offset);
            let raw = name_at(&self.names[object.table], object.name_offset)?;
            let symbol = demangled.entry(key).or_insert_with(|| clear_name(raw)).clone();
            Some(DataName { symbol, offset: address - object.start })
        };
        addresses.iter().map(name).collect()
    }

    fn add(&mut self, image: &Image, kind: elf::SectionType) {
        let Some((entries, names)) = symbol_table(image, kind) else { return };
        let table = self.names.len();
        let parsed = entries
            .chunks_exact(SYMBOL_BYTES)
            .filter_map(|entry| parse_object(entry, &image.sections, table));
        self.objects.extend(parsed.filter(|object| name_at(&names, object.name_offset).is_some()));
        self.names.push(names);
    }

    fn lay_out(&mut self) {
        // Of equal ones the first table's: .symtab knows at least what .dynsym knows.
        self.objects.sort_by_key(|object| (object.start, Reverse(object.end), object.table));
        self.objects.dedup_by_key(|object| (object.start, object.end));
        let mut last_end = 0;
        for object in &mut self.objects {
            last_end = object.end.max(last_end);
            object.last_end = last_end;
        }
    }

    /// The innermost: the last that begins before the address and still holds it.
    fn containing(&self, address: u64) -> Option<&Object> {
        let after = self.objects.partition_point(|object| object.start <= address);
        let before = self.objects[..after].iter().rev();
        before.take_while(|object| object.last_end > address).find(|object| address < object.end)
    }
}

pub(super) fn symbol_table(image: &Image, kind: elf::SectionType) -> Option<(Bytes, Bytes)> {
    let section = image.sections.iter().find(|section| section.kind == kind)?;
    let names = image.sections.get(section.link as usize)?;
    Some((image.raw_bytes(section).ok()?, image.raw_bytes(names).ok()?))
}

fn parse_object(entry: &[u8], sections: &[Section], table: usize) -> Option<Object> {
    let name_offset = u32_at(entry, 0)?;
    let (info, section_index) = (entry[4], u16::from_le_bytes([entry[6], entry[7]]));
    let (start, size) = (u64_at(entry, 8)?, u64_at(entry, 16)?);
    let is_object = elf::SymbolType(info & 0xf) == elf::STT_OBJECT && size > 0;
    let section = sections.get(usize::from(section_index))?;
    let is_data = section_index != 0 && section.flags & elf::SHF_ALLOC.0 != 0;
    if !is_object || !is_data || !section.contains(start) {
        return None;
    }
    let end = start + size.min(section.end() - start);
    Some(Object { start, end, last_end: end, table, name_offset })
}

pub(super) fn name_at(names: &[u8], offset: u32) -> Option<&[u8]> {
    let rest = names.get(offset as usize..)?;
    let rest = &rest[..rest.len().min(LONGEST_NAME_BYTES)];
    let length = rest.iter().position(|&byte| byte == 0)?;
    let name = &rest[..length];
    let version = name.iter().position(|&byte| byte == b'@').filter(|&at| at > 0);
    (length > 0).then(|| &name[..version.unwrap_or(length)])
}

/// cpp_demangle writes "{vtable(Image)}" where everybody else writes "vtable for Image".
fn clear_name(raw: &[u8]) -> String {
    let name = demangle(raw);
    let inner = name.strip_prefix('{').and_then(|rest| rest.strip_suffix(")}"));
    match inner.and_then(|inner| inner.split_once('(')) {
        Some(("vtt", of)) => format!("VTT for {of}"),
        Some((kind, of)) => format!("{kind} for {of}"),
        None => name,
    }
}

/// For each symbol: whether the file defines it (functions and data, exported or not), or, for a text in
/// quotes, whether the text stands among its constants.
pub fn has_symbols(path: &Path, wanted: &[String]) -> Vec<bool> {
    let mut found = vec![false; wanted.len()];
    let Ok(image) = Image::open(path) else { return found };
    let names: HashMap<&[u8], usize> =
        wanted.iter().enumerate().map(|(at, name)| (name.as_bytes(), at)).collect();
    for kind in [elf::SHT_SYMTAB, elf::SHT_DYNSYM] {
        let Some((entries, strings)) = symbol_table(&image, kind) else { continue };
        for entry in entries.chunks_exact(SYMBOL_BYTES) {
            let is_defined = entry[6] != 0 || entry[7] != 0;
            let name = u32_at(entry, 0).and_then(|offset| name_at(&strings, offset));
            let at = name.filter(|_| is_defined).and_then(|name| names.get(name));
            if let Some(&at) = at {
                found[at] = true;
            }
        }
    }
    let texts: Vec<(usize, &[u8])> = wanted
        .iter()
        .enumerate()
        .filter_map(|(at, name)| Some((at, name.strip_prefix('"')?.strip_suffix('"')?.as_bytes())))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    if texts.is_empty() {
        return found;
    }
    for section in image.sections.iter().filter(|section| section.name == b".rodata") {
        if section.size > LARGEST_CONSTANTS_BYTES {
            continue;
        }
        let Ok(bytes) = image.raw_bytes(section) else { continue };
        for &(at, text) in &texts {
            found[at] |= bytes.windows(text.len()).any(|window| window == text);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn laid_out(placed: &[(u64, u64)]) -> DataSymbols {
        let mut names = vec![0];
        let mut objects = Vec::new();
        for (index, &(start, size)) in placed.iter().enumerate() {
            let end = start + size;
            objects.push(Object {
                start,
                end,
                last_end: end,
                table: 0,
                name_offset: names.len() as u32,
            });
            names.extend(format!("d{index}\0").bytes());
        }
        let mut symbols = DataSymbols { objects, names: vec![names] };
        symbols.lay_out();
        symbols
    }

    #[test]
    fn the_innermost_object_names_the_address() {
        let symbols = laid_out(&[(0x100, 0x100), (0x120, 0x10), (0x300, 8)]);
        let name = |address: u64| {
            let found = symbols.resolve(&[address as f64]).remove(0);
            found.map(|name| format!("{}+{:#x}", name.symbol, name.offset))
        };
        assert_eq!(name(0x128).as_deref(), Some("d1+0x8"));
        assert_eq!(name(0x130).as_deref(), Some("d0+0x30"));
        assert_eq!(name(0x200), None);
        assert_eq!(name(0x307).as_deref(), Some("d2+0x7"));
        assert_eq!(name(0x308), None);
        assert_eq!(name(0xff), None);
    }

    #[test]
    fn a_version_is_not_part_of_a_name() {
        assert_eq!(name_at(b"\0stdout@@GLIBC_2.2.5\0", 1), Some(&b"stdout"[..]));
        assert_eq!(name_at(b"\0cut", 1), None);
    }

    #[test]
    fn names_that_the_compiler_made_read_as_binutils_writes_them() {
        assert_eq!(clear_name(b"_ZTV5Image"), "vtable for Image");
        assert_eq!(clear_name(b"_ZTTN4shop5ImageE"), "VTT for shop::Image");
        assert_eq!(clear_name(b"_ZTI5Image"), "typeinfo for Image");
        assert_eq!(clear_name(b"_ZGVZ4mainE1a"), "guard variable for main::a");
        assert_eq!(clear_name(b"_ZN4shop6imagesE"), "shop::images");
        assert_eq!(clear_name(b"plain"), "plain");
    }

    proptest! {
        #[test]
        fn an_address_has_a_name_where_and_only_where_an_object_holds_it(
            placed in proptest::collection::vec((0u64..100, 1u64..40), 0..15),
        ) {
            let symbols = laid_out(&placed);
            for address in 0..150u64 {
                let holders = placed.iter().filter(|(start, size)| {
                    (*start..start + size).contains(&address)
                });
                let nearest = holders.map(|(start, _)| start).max();
                let found = symbols.containing(address).map(|object| object.start);
                prop_assert_eq!(found, nearest.copied());
            }
        }
    }
}
