//! Which code of a file is exported under certain names: other modules' calls may bind to it.

use std::path::Path;

use object::elf;

use super::bytes::Bytes;
use super::data::{name_at, symbol_table, SYMBOL_BYTES};
use super::image::{u32_at, u64_at, Image};

/// Functions of .dynsym whose raw name begins with one of the prefixes: [start, end) pairs by start, merged
/// where they touch. Empty where the file cannot be read.
pub fn exported_ranges(path: &Path, prefixes: &[String]) -> Vec<(u64, u64)> {
    let Ok(image) = Image::open(path) else { return Vec::new() };
    let Some((entries, names)) = symbol_table(&image, elf::SHT_DYNSYM) else { return Vec::new() };
    let functions = entries.chunks_exact(SYMBOL_BYTES);
    merged(functions.filter_map(|entry| range_of(entry, &names, prefixes)).collect())
}

fn range_of(entry: &[u8], names: &Bytes, prefixes: &[String]) -> Option<(u64, u64)> {
    let is_defined = entry[6] != 0 || entry[7] != 0;
    let is_function = elf::SymbolType(entry[4] & 0xf) == elf::STT_FUNC;
    let name = name_at(names, u32_at(entry, 0)?)?;
    let is_wanted = prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes()));
    let (start, size) = (u64_at(entry, 8)?, u64_at(entry, 16)?);
    (is_defined && is_function && is_wanted).then_some((start, start.checked_add(size)?))
}

fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut kept: Vec<(u64, u64)> = Vec::new();
    for (start, end) in ranges {
        match kept.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => kept.push((start, end)),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn operator_new_of_the_cpp_library_is_exported() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let Some(path) = maps
            .lines()
            .filter_map(|line| line.split_whitespace().nth(5))
            .find(|path| path.contains("libc.so"))
        else {
            return;
        };
        assert!(!exported_ranges(Path::new(path), &["mallo".into()]).is_empty());
        assert!(exported_ranges(Path::new(path), &["no such function".into()]).is_empty());
        assert!(exported_ranges(Path::new("/nowhere"), &["m".into()]).is_empty());
    }

    proptest! {
        #[test]
        fn merging_keeps_every_address_and_adds_none(ranges in prop::collection::vec((0u64..60, 0u64..9), 0..20)) {
            let ranges: Vec<(u64, u64)> = ranges.into_iter().map(|(start, size)| (start, start + size)).collect();
            let holds = |list: &[(u64, u64)], at: u64| list.iter().any(|&(start, end)| start <= at && at < end);
            let kept = merged(ranges.clone());
            for at in 0..80 {
                prop_assert_eq!(holds(&ranges, at), holds(&kept, at));
            }
            prop_assert!(kept.windows(2).all(|pair| pair[0].1 < pair[1].0));
        }
    }
}
