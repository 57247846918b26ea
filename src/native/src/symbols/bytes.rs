//! Bytes of a section, and how they come out of a file.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::os::unix::fs::FileExt;

/// Sections up to this size are copied: a file that shrinks while it is mapped (a compiler that
/// writes a new one over it) means SIGBUS. Beyond it memory counts for more.
const LARGEST_COPY_BYTES: u64 = 64 << 20;

/// No section is unpacked beyond this, whatever its header promises.
const LARGEST_UNPACKED_BYTES: u64 = 4 << 30;

#[derive(Debug)]
pub enum Bytes {
    Copied(Vec<u8>),
    Mapped(memmap2::Mmap),
}

impl Default for Bytes {
    fn default() -> Self {
        Self::Copied(Vec::new())
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Mapped(bytes) => bytes,
        }
    }
}

/// The bytes at [offset, offset + size) of the file; an error when it does not have them all.
pub fn read_range(file: &File, offset: u64, size: u64) -> io::Result<Bytes> {
    let end = offset.checked_add(size);
    // Before anything is allocated: the size comes from the file and may be any number.
    if end.is_none_or(|end| file.metadata().is_ok_and(|metadata| end > metadata.len())) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let length = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    if size > LARGEST_COPY_BYTES {
        // SAFETY: read-only and private; see LARGEST_COPY_BYTES for the remaining risk.
        let mapped = unsafe { memmap2::MmapOptions::new().offset(offset).len(length).map(file)? };
        return Ok(Bytes::Mapped(mapped));
    }
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(Bytes::Copied(bytes))
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Packing {
    Zlib,
    Zstd,
}

/// None: damaged, or not of the size that its header promises.
pub fn unpack(packed: &[u8], packing: Packing, unpacked_bytes: u64) -> Option<Bytes> {
    if unpacked_bytes > LARGEST_UNPACKED_BYTES {
        return None;
    }
    let size = usize::try_from(unpacked_bytes).ok()?;
    let bytes = match packing {
        Packing::Zstd => crate::compress::decompress(packed, size).ok()?,
        Packing::Zlib => {
            // Deflate reaches at most 1,032 to 1.
            let mut bytes = Vec::with_capacity(size.min(packed.len().saturating_mul(1_032)));
            let reader = flate2::read::ZlibDecoder::new(packed);
            reader.take(unpacked_bytes.saturating_add(1)).read_to_end(&mut bytes).ok()?;
            bytes
        }
    };
    (bytes.len() == size).then_some(Bytes::Copied(bytes))
}
