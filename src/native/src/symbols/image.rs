//! An ELF file of 64 bits, little endian: its sections and what identifies it. All numbers in it
//! are taken as claims.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};
use object::read::ReadCache;
use object::LittleEndian;

use super::bytes::{read_range, unpack, unpack_xz, Bytes, Packing};

/// A note or link section beyond this is not one.
const LARGEST_NOTE_BYTES: u64 = 1 << 20;
/// Of symbols, before and after unpacking. Real ones have some 100 KB.
const LARGEST_MINI_DEBUG_BYTES: u64 = 64 << 20;
const COMPRESSION_HEADER_BYTES: usize = 24;
const OLD_COMPRESSION_HEADER_BYTES: usize = 12;

#[derive(Debug)]
pub enum OpenError {
    Missing,
    NotElf,
}

#[derive(Debug, Clone)]
pub struct Section {
    pub name: Vec<u8>,
    pub kind: elf::SectionType,
    pub flags: u64,
    pub address: u64,
    pub offset: u64,
    pub size: u64,
    pub link: u32,
}

impl Section {
    pub fn is_code(&self) -> bool {
        let needed = elf::SHF_ALLOC.0 | elf::SHF_EXECINSTR.0;
        self.flags & needed == needed
    }

    pub fn contains(&self, address: u64) -> bool {
        address >= self.address && address - self.address < self.size
    }

    pub fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }
}

#[derive(Debug)]
pub struct DebugLink {
    pub file_name: Vec<u8>,
    pub crc: u32,
}

#[derive(Debug)]
pub struct AltLink {
    pub path: Vec<u8>,
    pub build_id: Vec<u8>,
}

#[derive(Debug)]
pub struct Image {
    pub file: File,
    pub sections: Vec<Section>,
    pub build_id: Vec<u8>,
    /// Device and inode: tells whether another path is this same file.
    pub identity: (u64, u64),
}

impl Image {
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(path)
            .map_err(|_| OpenError::Missing)?;
        Self::from_file(file)
    }

    fn from_file(file: File) -> Result<Self, OpenError> {
        let metadata = file.metadata().map_err(|_| OpenError::Missing)?;
        if !metadata.is_file() {
            return Err(OpenError::NotElf);
        }
        let (sections, build_id) = read_headers(&file).ok_or(OpenError::NotElf)?;
        Ok(Self { file, sections, build_id, identity: (metadata.dev(), metadata.ino()) })
    }

    pub fn code_section(&self, address: u64) -> Option<&Section> {
        self.sections.iter().find(|section| section.is_code() && section.contains(address))
    }

    fn section_named(&self, name: &[u8]) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    pub fn raw_bytes(&self, section: &Section) -> io::Result<Bytes> {
        if section.kind == elf::SHT_NOBITS {
            return Ok(Bytes::default());
        }
        read_range(&self.file, section.offset, section.size)
    }

    /// The content of a section such as ".debug_info", unpacked; empty when absent or damaged.
    pub fn debug_section(&self, name: &str) -> Bytes {
        self.try_debug_section(name).unwrap_or_default()
    }

    pub fn has_debug_info(&self) -> bool {
        let names: [&[u8]; 4] =
            [b".debug_info", b".zdebug_info", b".debug_info.dwo", b".zdebug_info.dwo"];
        names.into_iter().any(|name| {
            self.section_named(name)
                .is_some_and(|section| section.kind != elf::SHT_NOBITS && section.size > 0)
        })
    }

    fn try_debug_section(&self, name: &str) -> Option<Bytes> {
        // A .dwo file has a .debug_info.dwo for each of its types, and one more for the code.
        let named = |section: &&Section| section.name == name.as_bytes();
        let of_code = |section: &&Section| !self.begins_with_type_unit(section);
        let found = self.sections.iter().filter(named).find(of_code);
        if let Some(section) = found.or_else(|| self.section_named(name.as_bytes())) {
            let bytes = self.raw_bytes(section).ok()?;
            if section.flags & elf::SHF_COMPRESSED.0 == 0 {
                return Some(bytes);
            }
            let packing = match elf::CompressionType(u32_at(&bytes, 0)?) {
                elf::ELFCOMPRESS_ZLIB => Packing::Zlib,
                elf::ELFCOMPRESS_ZSTD => Packing::Zstd,
                _ => return None,
            };
            return unpack(bytes.get(COMPRESSION_HEADER_BYTES..)?, packing, u64_at(&bytes, 8)?);
        }
        // The GNU form from before SHF_COMPRESSED: "ZLIB" and the size, big endian.
        let old_name = name.replacen(".debug", ".zdebug", 1);
        let bytes = self.raw_bytes(self.section_named(old_name.as_bytes())?).ok()?;
        let size = bytes.strip_prefix(b"ZLIB")?.first_chunk::<8>()?;
        let packed = bytes.get(OLD_COMPRESSION_HEADER_BYTES..)?;
        unpack(packed, Packing::Zlib, u64::from_be_bytes(*size))
    }

    /// Of DWARF 5, unpacked, and in a section of its own.
    fn begins_with_type_unit(&self, section: &Section) -> bool {
        if section.name != b".debug_info.dwo" || section.flags & elf::SHF_COMPRESSED.0 != 0 {
            return false;
        }
        let Ok(header) = read_range(&self.file, section.offset, section.size.min(16)) else {
            return false;
        };
        let length_bytes = if u32_at(&header, 0) == Some(u32::MAX) { 12 } else { 4 };
        let unit = header.get(length_bytes..).and_then(|rest| rest.first_chunk());
        unit.is_some_and(|&[version, _, kind]: &[u8; 3]| {
            version == 5 && kind == gimli::DW_UT_split_type.0
        })
    }

    /// .gnu_debuglink: a file name, NUL, padding to 4, the CRC of the debug file.
    pub fn debug_link(&self) -> Option<DebugLink> {
        let bytes = self.small_section(b".gnu_debuglink")?;
        let length = bytes.iter().position(|&byte| byte == 0)?;
        let crc = u32_at(&bytes, (length + 1).next_multiple_of(4))?;
        Some(DebugLink { file_name: bytes[..length].to_vec(), crc })
    }

    /// .gnu_debugaltlink (dwz): a path, NUL, the build id of the file with the shared part.
    pub fn alt_link(&self) -> Option<AltLink> {
        let bytes = self.small_section(b".gnu_debugaltlink")?;
        let length = bytes.iter().position(|&byte| byte == 0)?;
        Some(AltLink { path: bytes[..length].to_vec(), build_id: bytes[length + 1..].to_vec() })
    }

    /// .gnu_debugdata (MiniDebugInfo, as Fedora ships it): an ELF file with the symbols that are not
    /// exported, packed with xz.
    pub fn mini_debug_file(&self) -> Option<Self> {
        let section = self.section_named(b".gnu_debugdata")?;
        if section.size > LARGEST_MINI_DEBUG_BYTES {
            return None;
        }
        let bytes = unpack_xz(&self.raw_bytes(section).ok()?, LARGEST_MINI_DEBUG_BYTES)?;
        let mut file = memory_file()?;
        file.write_all(&bytes).ok()?;
        Self::from_file(file).ok()
    }

    fn small_section(&self, name: &[u8]) -> Option<Bytes> {
        let section = self.section_named(name)?;
        if section.size > LARGEST_NOTE_BYTES {
            return None;
        }
        self.raw_bytes(section).ok()
    }
}

/// A file without a name or a place on any disk.
fn memory_file() -> Option<File> {
    // SAFETY: the name is a C string; the descriptor that comes back is nobody else's.
    unsafe {
        let descriptor = libc::memfd_create(c"memprof-symbols".as_ptr(), libc::MFD_CLOEXEC);
        (descriptor >= 0).then(|| File::from_raw_fd(descriptor))
    }
}

fn read_headers(file: &File) -> Option<(Vec<Section>, Vec<u8>)> {
    let cache = ReadCache::new(file);
    let header = FileHeader64::<LittleEndian>::parse(&cache).ok()?;
    let endian = header.endian().ok()?;
    // A file without a section table (or with a damaged one) is still ELF: it just tells nothing.
    let Ok(table) = header.sections(endian, &cache) else {
        return Some((Vec::new(), Vec::new()));
    };
    let mut build_id = Vec::new();
    let sections = table
        .iter()
        .map(|section| {
            let size = section.sh_size(endian);
            if section.sh_type(endian) == elf::SHT_NOTE && size <= LARGEST_NOTE_BYTES {
                if let Ok(Some(mut notes)) = section.notes(endian, &cache) {
                    while let Ok(Some(note)) = notes.next() {
                        let is_gnu = note.name() == elf::ELF_NOTE_GNU;
                        if is_gnu && note.n_type(endian) == elf::NT_GNU_BUILD_ID {
                            build_id = note.desc().to_vec();
                        }
                    }
                }
            }
            Section {
                name: table.section_name(endian, section).unwrap_or_default().to_vec(),
                kind: section.sh_type(endian),
                flags: section.sh_flags(endian).0,
                address: section.sh_addr(endian),
                offset: section.sh_offset(endian),
                size,
                link: section.sh_link(endian),
            }
        })
        .collect();
    Some((sections, build_id))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
