//! What kind of thing a file is, before it is run: can anything be preloaded into it?

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef};
use object::Endianness;

use crate::error::{Failure, Outcome};

#[derive(Debug, Default, PartialEq)]
pub struct Inspection {
    pub kind: Kind,
    pub elf_class: Option<u32>,
    pub machine: Option<String>,
    pub interpreter: Option<String>,
    pub is_setuid: bool,
    pub shebang: Option<Vec<String>>,
    pub build_id: Option<String>,
}

#[derive(Debug, Default, PartialEq, Clone, Copy)]
pub enum Kind {
    Elf,
    Script,
    #[default]
    Other,
}

pub fn inspect_executable(path: &str) -> Outcome<Inspection> {
    let doing = format!("cannot inspect {path}");
    let fail = |error: std::io::Error| Failure::from_io(&doing, &error);
    let mut file = File::options()
        .read(true)
        // A FIFO would block the open until somebody writes.
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)
        .map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    let mut inspection = Inspection {
        // setgid counts without the group's x bit only as mandatory locking, so it must have it.
        is_setuid: metadata.mode() & libc::S_ISUID != 0
            || metadata.mode() & (libc::S_ISGID | libc::S_IXGRP) == libc::S_ISGID | libc::S_IXGRP,
        ..Inspection::default()
    };
    if !metadata.is_file() {
        return Ok(inspection);
    }
    // The kernel reads as much of a script's first line (BINPRM_BUF_SIZE).
    let mut head = Vec::with_capacity(256);
    (&mut file).take(256).read_to_end(&mut head).map_err(fail)?;
    if head.starts_with(&elf::ELFMAG) {
        inspection.kind = Kind::Elf;
        match head.get(4).copied().map(elf::FileClass) {
            Some(elf::ELFCLASS32) => {
                inspection.elf_class = Some(32);
                inspect_elf::<FileHeader32<Endianness>, _>(&ReadCache::new(file), &mut inspection);
            }
            Some(elf::ELFCLASS64) => {
                inspection.elf_class = Some(64);
                inspect_elf::<FileHeader64<Endianness>, _>(&ReadCache::new(file), &mut inspection);
            }
            _ => {}
        }
    } else if let Some(line) = head.strip_prefix(b"#!") {
        inspection.kind = Kind::Script;
        inspection.shebang = Some(split_shebang(line));
    }
    Ok(inspection)
}

/// As the kernel splits it: the interpreter, and all that follows as one argument.
fn split_shebang(line: &[u8]) -> Vec<String> {
    let line = line.split(|&byte| byte == b'\n' || byte == 0).next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let line = line.trim_matches([' ', '\t']);
    let (interpreter, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    [interpreter, argument.trim_start_matches([' ', '\t'])]
        .into_iter()
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Fills in what the headers tell; what a damaged file does not tell stays unknown.
fn inspect_elf<'data, Elf, R>(data: R, inspection: &mut Inspection)
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let Ok(header) = Elf::parse(data) else { return };
    let Ok(endian) = header.endian() else { return };
    inspection.machine = Some(machine_name(header.e_machine(endian)));
    let Ok(segments) = header.program_headers(endian, data) else { return };
    for segment in segments {
        if segment.p_filesz(endian).into() > 1 << 20 {
            continue;
        }
        if let Ok(Some(interpreter)) = segment.interpreter(endian, data) {
            inspection.interpreter = Some(String::from_utf8_lossy(interpreter).into_owned());
        }
        if let Ok(Some(mut notes)) = segment.notes(endian, data) {
            while let Ok(Some(note)) = notes.next() {
                if note.name() == elf::ELF_NOTE_GNU && note.n_type(endian) == elf::NT_GNU_BUILD_ID {
                    inspection.build_id = Some(hex(note.desc()));
                }
            }
        }
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn machine_name(machine: elf::Machine) -> String {
    match machine {
        elf::EM_X86_64 => "x86-64".to_owned(),
        elf::EM_386 => "i386".to_owned(),
        elf::EM_AARCH64 => "aarch64".to_owned(),
        elf::EM_ARM => "arm".to_owned(),
        elf::EM_RISCV => "riscv".to_owned(),
        elf::EM_PPC64 => "ppc64".to_owned(),
        elf::EM_S390 => "s390".to_owned(),
        elf::EM_LOONGARCH => "loongarch".to_owned(),
        other => format!("machine {}", other.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_test_binary_itself_is_dynamic_elf_of_this_machine() {
        let path = std::env::current_exe().unwrap();
        let inspection = inspect_executable(path.to_str().unwrap()).unwrap();
        assert_eq!(inspection.kind, Kind::Elf);
        assert_eq!(inspection.elf_class, Some(64));
        assert_eq!(inspection.machine.as_deref(), Some("x86-64"));
        assert!(inspection.interpreter.unwrap().contains("ld-linux"));
        assert!(!inspection.is_setuid);
    }

    #[test]
    fn a_first_line_is_split_as_the_kernel_does() {
        assert_eq!(split_shebang(b" /bin/sh"), ["/bin/sh"]);
        assert_eq!(
            split_shebang(b"/usr/bin/env -S node  --x \nrest"),
            ["/usr/bin/env", "-S node  --x"]
        );
        assert!(split_shebang(b"\n").is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_after_the_magic_are_survived(
            is_wide: bool, little: bool, rest in proptest::collection::vec(any::<u8>(), 0..512),
        ) {
            let mut bytes = vec![0x7f, b'E', b'L', b'F', 1 + is_wide as u8, 1 + little as u8, 1];
            bytes.extend(rest);
            let mut file = tempfile::NamedTempFile::new().unwrap();
            std::io::Write::write_all(&mut file, &bytes).unwrap();
            let inspection = inspect_executable(file.path().to_str().unwrap()).unwrap();
            prop_assert_eq!(inspection.kind, Kind::Elf);
        }
    }
}
