//! Bytes of a section, and how they come out of a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Sections are copied, whatever their size: a file that shrinks while it is mapped (a compiler that
/// writes a new one over it) means SIGBUS. 80 MB take 20 ms.
pub type Bytes = Vec<u8>;

/// Beyond this a section counts as absent: memory, and no claim in a header is worth more.
const LARGEST_SECTION_BYTES: u64 = 4 << 30;

/// The bytes at [offset, offset + size) of the file; an error when it does not have them all.
pub fn read_range(mut file: &File, offset: u64, size: u64) -> io::Result<Bytes> {
    let end = offset.checked_add(size);
    // Before anything is allocated: the size comes from the file and may be any number.
    if end.is_none_or(|end| file.metadata().is_ok_and(|metadata| end > metadata.len())) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if size > LARGEST_SECTION_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let length = usize::try_from(size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = Vec::new();
    // Sparse files claim what no memory holds.
    bytes.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    file.seek(SeekFrom::Start(offset))?;
    file.take(size).read_to_end(&mut bytes)?;
    // It shrank since.
    if bytes.len() != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Packing {
    Zlib,
    Zstd,
}

/// None: damaged, or not of the size that its header promises.
pub fn unpack(packed: &[u8], packing: Packing, unpacked_bytes: u64) -> Option<Bytes> {
    if unpacked_bytes > LARGEST_SECTION_BYTES {
        return None;
    }
    let size = usize::try_from(unpacked_bytes).ok()?;
    let bytes = match packing {
        Packing::Zstd => crate::compress::decompress(packed, size).ok()?,
        Packing::Zlib => {
            // Deflate reaches at most 1,032 to 1.
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(size.min(packed.len().saturating_mul(1_032))).ok()?;
            let reader = flate2::read::ZlibDecoder::new(packed);
            reader.take(unpacked_bytes.saturating_add(1)).read_to_end(&mut bytes).ok()?;
            bytes
        }
    };
    (bytes.len() == size).then_some(bytes)
}

/// The content of an .xz file of at most `largest_bytes`. None: damaged, or larger.
pub fn unpack_xz(packed: &[u8], largest_bytes: u64) -> Option<Bytes> {
    // Dictionaries are as large as the content at most, beyond the 64 MiB of `xz -9` with room to spare.
    const LARGEST_DICTIONARY_KIB: u32 = 256 << 10;
    let reader = lzma_rust2::XzReader::new_mem_limit(packed, false, LARGEST_DICTIONARY_KIB);
    let mut bytes = Vec::new();
    super::guard::survive(|| {
        reader.take(largest_bytes + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= largest_bytes).then_some(bytes)
    })?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_range_that_the_file_does_not_have_is_refused_before_memory_is_asked_for() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        assert_eq!(read_range(&file, 2, 3).unwrap(), b"234");
        assert!(read_range(&file, 8, 3).is_err());
        assert!(read_range(&file, 0, u64::MAX).is_err());
        assert!(read_range(&file, u64::MAX, 2).is_err());
        file.set_len(4).unwrap();
        assert!(read_range(&file, 2, 3).is_err());
    }

    #[test]
    fn a_sparse_file_is_not_read_beyond_what_a_section_may_have() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(LARGEST_SECTION_BYTES + 1).unwrap();
        let refused = read_range(&file, 0, LARGEST_SECTION_BYTES + 1).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn what_unpacks_to_another_size_than_promised_is_refused() {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&[0; 100_000]).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(unpack(&packed, Packing::Zlib, 100_000).unwrap().len(), 100_000);
        for promised in [0, 99_999, 100_001, LARGEST_SECTION_BYTES, u64::MAX] {
            assert_eq!(unpack(&packed, Packing::Zlib, promised), None);
            assert_eq!(unpack(&packed, Packing::Zstd, promised), None);
        }
    }
}
