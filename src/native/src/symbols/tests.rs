//! Whole files, made by the compiler of this machine and then damaged. What a healthy file must
//! give is in test/native; here nothing may panic, hang or ask for the memory that a header claims.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::module::{Module, Quality, Reason};
use super::Symbolizer;

const SOURCE: &str = r#"
namespace shop {
static inline __attribute__((always_inline)) int price(int count) { return count * 3; }
struct Till { __attribute__((noinline)) int sum(int count) { return price(count) + 1; } };
}
template <typename T> __attribute__((noinline)) T twice(T value) { return value + value; }
int main(int count, char **) { shop::Till till; return till.sum(count) + twice(count); }
"#;

/// One file a way of keeping debug info.
fn compiled() -> &'static [Vec<u8>] {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("shop.cc");
        std::fs::write(&source, SOURCE).unwrap();
        let ways: [&[&str]; 5] = [
            &["-g", "-O2"],
            &["-g", "-gdwarf-4", "-O0"],
            &["-g", "-gz=zlib"],
            &["-g0"],
            &["-g", "-shared", "-fPIC", "-s"],
        ];
        let build = |way: &&[&str]| {
            let binary = folder.path().join("shop");
            let status =
                Command::new("g++").args(*way).arg(&source).arg("-o").arg(&binary).status();
            assert!(status.unwrap().success(), "g++ {way:?}");
            std::fs::read(&binary).unwrap()
        };
        ways.iter().map(build).collect()
    })
}

fn name_everything(bytes: &[u8]) -> Module {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    std::fs::write(&path, bytes).unwrap();
    let mut module = Module::open(&path, &[], &[PathBuf::from("/nonexistent")]);
    for address in (0x1000..0x1400).step_by(16).chain([0, u64::MAX, 1 << 53]) {
        let resolved = module.resolve(address);
        assert!(!resolved.frames.is_empty());
    }
    module
}

#[test]
fn the_healthy_files_have_names() {
    for (index, bytes) in compiled().iter().enumerate() {
        let mut module = name_everything(bytes);
        assert_eq!(module.reason, Reason::Ok, "file {index}");
        let qualities: Vec<Quality> =
            (0x1000..0x1400).map(|address| module.resolve(address).quality).collect();
        let best = match index {
            0..3 => Quality::DebugInfo,
            _ => Quality::Symbol,
        };
        assert!(qualities.contains(&best), "file {index}");
    }
}

#[test]
fn what_is_not_there_or_not_elf_says_so() {
    let symbolizer = Symbolizer::new(Vec::new());
    let missing = symbolizer.resolve("/nonexistent/x.so", &[], &[4096.0]);
    assert_eq!((missing.found, missing.reason), (false, Reason::Missing));
    let folder = symbolizer.resolve("/", &[], &[4096.0]);
    assert_eq!((folder.found, folder.reason), (true, Reason::NotElf));
    let text = symbolizer.resolve(file!(), &[], &[f64::NAN, -1.0, f64::INFINITY]);
    assert_eq!(text.reason, Reason::NotElf);
    assert_eq!(text.resolved.len(), 3);
}

/// Inlined functions in inlined functions, each a byte of .debug_info.
const NESTED: &str = r#"
    .text
    .globl deep
    .type deep, @function
deep:
    nop
    ret
    .size deep, . - deep
    .section .note.GNU-stack, "", @progbits
    .section .debug_abbrev
    .uleb128 1; .uleb128 0x11; .byte 1          # compile unit, children
    .uleb128 0x11; .uleb128 1; .uleb128 0x12; .uleb128 7; .byte 0, 0
    .uleb128 2; .uleb128 0x2e; .byte 1          # subprogram, children
    .uleb128 0x11; .uleb128 1; .uleb128 0x12; .uleb128 7; .byte 0, 0
    .uleb128 3; .uleb128 0x1d; .byte 1, 0, 0    # inlined subroutine, children
    .byte 0
    .section .debug_info
    .long 2f - 1f
1:  .short 4
    .long 0
    .byte 8
    .uleb128 1; .quad deep; .quad 2
    .uleb128 2; .quad deep; .quad 2
    .fill DEPTH, 1, 3
    .fill DEPTH, 1, 0
    .byte 0, 0
2:
"#;

fn names_of_nested(depth: usize) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("deep.s");
    let library = folder.path().join("deep.so");
    std::fs::write(&source, NESTED.replace("DEPTH", &depth.to_string())).unwrap();
    let status = Command::new("gcc")
        .args(["-shared", "-nostdlib", "-o"])
        .arg(&library)
        .arg(&source)
        .status()
        .unwrap();
    assert!(status.success());
    let symbolizer = Symbolizer::new(Vec::new());
    let addresses: Vec<f64> = (0x1000..0x1200).map(f64::from).collect();
    let answers = symbolizer.resolve(library.to_str().unwrap(), &[], &addresses);
    answers.resolved.iter().filter_map(|resolved| resolved.frames[0].function.clone()).collect()
}

#[test]
fn inlined_functions_nested_deeper_than_any_stack_are_survived() {
    for depth in [50_000, 3_000_000] {
        assert_eq!(names_of_nested(depth), ["deep", "deep"], "nested {depth} deep");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_file_cut_anywhere_is_survived(which: prop::sample::Index, cut in 0.0..1.0f64) {
        let bytes = which.get(compiled());
        let kept = (bytes.len() as f64 * cut) as usize;
        name_everything(&bytes[..kept]);
    }

    #[test]
    fn flipped_bits_anywhere_are_survived(
        which: prop::sample::Index,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..64),
    ) {
        let mut bytes = which.get(compiled()).clone();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        name_everything(&bytes);
    }

    #[test]
    fn wild_numbers_in_the_headers_are_survived(
        which: prop::sample::Index,
        words in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            Just(0u64), Just(u64::MAX), Just(1 << 63), Just(1 << 32), Just(1 << 20), any::<u64>(),
        ]), 1..8),
    ) {
        let mut bytes = which.get(compiled()).clone();
        // The section table, which is what everything else hangs on, ends the file.
        let table = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
        let count = (bytes.len() - table) / 8;
        for (at, word) in words {
            let at = table + at.index(count) * 8;
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        name_everything(&bytes);
    }

    #[test]
    fn noise_in_the_debug_sections_is_survived(
        which in 0..3usize,
        place in 0.0..1.0f64,
        noise in proptest::collection::vec(any::<u8>(), 1..256),
    ) {
        let mut bytes = compiled()[which].clone();
        // Debug info lies in the last third of such a small file.
        let low = bytes.len() / 2;
        let at = low + ((bytes.len() - low - noise.len()) as f64 * place) as usize;
        bytes[at..at + noise.len()].copy_from_slice(&noise);
        name_everything(&bytes);
    }
}
