//! Whole files, made by the compiler of this machine and then damaged. What a healthy file must
//! give is in test/native; here nothing may panic, hang or ask for the memory that a header claims.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::bytes::unpack_xz;
use super::module::{Module, Quality, Reason, Resolved};
use super::{Slot, Symbolizer};

const SOURCE: &str = r#"
namespace shop {
static inline __attribute__((always_inline)) int price(int count) {
  asm volatile("nop");
  return count * 3;
}
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
    let mut module = Module::open(&path, &[], &[PathBuf::from("/nonexistent")], None);
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

/// What is known about every address of a library without libc, made from this assembly.
fn assembled(source: &str) -> Vec<Resolved> {
    let folder = tempfile::tempdir().unwrap();
    let source_path = folder.path().join("deep.s");
    let library = folder.path().join("deep.so");
    std::fs::write(&source_path, source).unwrap();
    let status = Command::new("gcc")
        .args(["-shared", "-nostdlib", "-o"])
        .arg(&library)
        .arg(&source_path)
        .status()
        .unwrap();
    assert!(status.success());
    let symbolizer = Symbolizer::new(Vec::new());
    let addresses: Vec<f64> = (0x1000..0x1200).map(f64::from).collect();
    let answers = symbolizer.resolve(library.to_str().unwrap(), &[], &addresses);
    let is_named = |resolved: &Resolved| resolved.frames[0].function.is_some();
    answers.resolved.into_iter().filter(is_named).collect()
}

#[test]
fn inlined_functions_nested_deeper_than_any_stack_are_survived() {
    for depth in [50_000, 3_000_000] {
        let named = assembled(&NESTED.replace("DEPTH", &depth.to_string()));
        let names: Vec<_> = named.iter().map(|one| one.frames[0].function.as_deref()).collect();
        assert_eq!(names, [Some("deep"); 2], "nested {depth} deep");
        assert!(named.iter().all(|one| one.frames.len() < 10_000));
    }
}

/// UNITS units that all refer to one line table with FILES files and one list of RANGES ranges.
const SHARING: &str = r#"
    .text
    .globl shared
    .type shared, @function
shared:
    nop
    ret
    .size shared, . - shared
    .section .note.GNU-stack, "", @progbits
    .section .debug_abbrev
    .uleb128 1; .uleb128 0x11; .byte 0          # compile unit
    .uleb128 0x10; .uleb128 0x17                # stmt_list, sec_offset
    .uleb128 0x55; .uleb128 0x17; .byte 0, 0    # ranges, sec_offset
    .byte 0
    .section .debug_ranges
    .rept RANGES
    .quad shared, shared + 2
    .endr
    .quad 0, 0
    .section .debug_line
    .long 2f - 1f
1:  .short 4
    .long 4f - 3f
3:  .byte 1, 1, 1, 1, 1, 4
    .byte 0, 1, 1                               # operand counts
    .byte 0                                     # no folders
    .rept FILES
    .asciz "f"
    .byte 0, 0, 0
    .endr
    .byte 0
4:  .byte 0, 9, 2
    .quad shared
    .byte 1, 2, 2, 0, 1, 1                      # copy, advance 2, end
2:
    .section .debug_info
    .rept UNITS
    .long 17                                    # as long as what follows
    .short 4
    .long 0
    .byte 8
    .uleb128 1
    .long 0, 0
    .byte 0
    .endr
"#;

fn qualities_of_sharing(units: u32, files: u32, ranges: u32) -> Vec<Quality> {
    let source = SHARING
        .replace("UNITS", &units.to_string())
        .replace("FILES", &files.to_string())
        .replace("RANGES", &ranges.to_string());
    assembled(&source).iter().map(|resolved| resolved.quality).collect()
}

#[test]
fn units_that_share_tables_are_read_as_long_as_the_work_stays_in_proportion() {
    assert_eq!(qualities_of_sharing(100, 100, 100), [Quality::DebugInfo; 2]);
    // 20 and 2 billion entries from files of some megabytes: only the symbol is left.
    assert_eq!(qualities_of_sharing(100_000, 200_000, 1), [Quality::Symbol; 2]);
    assert_eq!(qualities_of_sharing(100_000, 1, 20_000), [Quality::Symbol; 2]);
}

/// A program with split debug info, and its package.
fn split() -> &'static (Vec<u8>, Vec<u8>) {
    static FILES: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("shop.cc"), SOURCE).unwrap();
        for command in [
            "g++ -g -O2 -gsplit-dwarf -gdwarf-4 -c shop.cc",
            "g++ shop.o -o shop",
            "dwp -e shop -o shop.dwp",
        ] {
            let mut words = command.split(' ');
            let status =
                Command::new(words.next().unwrap()).args(words).current_dir(folder.path()).status();
            assert!(status.unwrap().success(), "{command}");
        }
        let read = |name| std::fs::read(folder.path().join(name)).unwrap();
        (read("shop"), read("shop.dwp"))
    })
}

/// How many addresses have an inlined function: only the package knows those.
fn inlined_with_package(package: &[u8]) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop");
    std::fs::write(&path, &split().0).unwrap();
    std::fs::write(folder.path().join("shop.dwp"), package).unwrap();
    let mut module = Module::open(&path, &[], &[], None);
    (0x1000..0x1400).filter(|&address| module.resolve(address).frames.len() > 1).count()
}

#[test]
fn a_package_of_split_debug_info_is_read() {
    assert!(inlined_with_package(&split().1) > 0);
    assert_eq!(inlined_with_package(b""), 0);
}

fn packed_with_xz(bytes: &[u8]) -> Vec<u8> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    Command::new("xz").arg("-9c").arg(file.path()).output().unwrap().stdout
}

#[test]
fn xz_is_unpacked_up_to_a_limit() {
    let bytes = vec![7; 1 << 20];
    let packed = packed_with_xz(&bytes);
    assert!(packed.len() < 1000);
    assert_eq!(unpack_xz(&packed, 1 << 20), Some(bytes));
    assert_eq!(unpack_xz(&packed, (1 << 20) - 1), None);
    assert_eq!(unpack_xz(&packed[..packed.len() - 1], 1 << 20), None);
    assert_eq!(unpack_xz(b"", 1 << 20), None);
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
    fn a_damaged_package_is_survived(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..32),
        cut in 0.5..1.5f64,
    ) {
        let mut package = split().1.clone();
        for (at, bit) in flips {
            let at = at.index(package.len());
            package[at] ^= 1 << bit;
        }
        let kept = (package.len() as f64 * cut.min(1.0)) as usize;
        inlined_with_package(&package[..kept]);
    }

    #[test]
    fn damaged_xz_is_survived(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..8),
    ) {
        static PACKED: OnceLock<Vec<u8>> = OnceLock::new();
        let mut packed = PACKED.get_or_init(|| packed_with_xz(SOURCE.as_bytes())).clone();
        for (at, bit) in flips {
            let at = at.index(packed.len());
            packed[at] ^= 1 << bit;
        }
        unpack_xz(&packed, 1 << 20);
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

#[test]
fn who_wants_names_does_not_wait_for_ever_for_a_module_that_is_opened_ahead() {
    let slot = Slot::default();
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    let (began, has_begun) = std::sync::mpsc::channel::<()>();
    let open = || Module::open(Path::new("/no/such/file"), b"", &[], None);
    let shared = &slot;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            shared.open_ahead(|| {
                began.send(()).unwrap();
                held.recv().unwrap();
                open()
            });
        });
        has_begun.recv().unwrap();
        assert!(!slot.with(open, |module| module.found));
        go_on.send(()).unwrap();
    });
    assert!(slot.lock().module.is_some() && !slot.lock().is_opened_ahead);
    // Once it is there, nobody opens it again.
    slot.open_ahead(|| unreachable!());
    slot.with(|| unreachable!(), |_| ());
}
