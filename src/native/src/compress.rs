//! zstd and CRC-32 of whole chunks.

use std::io::Read;

use crate::error::{Failure, Outcome};

const CORRUPT: &str = "ERR_MEMPROF_ZSTD";

pub fn check_level(level: i32) -> Outcome<()> {
    match (1..=22).contains(&level) {
        true => Ok(()),
        false => Err(Failure::new("EINVAL", format!("zstd has levels 1 to 22, not {level}"))),
    }
}

/// One frame with its content's size and checksum in it, so that damage is found when it is read.
pub fn compress(data: &[u8], level: i32) -> Outcome<Vec<u8>> {
    check_level(level)?;
    let fail =
        |error: std::io::Error| Failure::new(CORRUPT, format!("zstd cannot compress: {error}"));
    let mut compressor = zstd::bulk::Compressor::new(level).map_err(fail)?;
    compressor.include_checksum(true).map_err(fail)?;
    compressor.compress(data).map_err(fail)
}

/// Never gives out, nor allocates, more than `max_bytes` for the content, whatever the frame says.
pub fn decompress(data: &[u8], max_bytes: usize) -> Outcome<Vec<u8>> {
    let damaged = |error: std::io::Error| {
        Failure::new(CORRUPT, format!("{} bytes are not whole zstd data: {error}", data.len()))
    };
    if data.is_empty() {
        return Err(Failure::new(CORRUPT, "0 bytes are not whole zstd data"));
    }
    let mut content = Vec::new();
    let declared = zstd::zstd_safe::get_frame_content_size(data).ok().flatten();
    if let Some(size) = declared.and_then(|size| usize::try_from(size).ok()) {
        if size > max_bytes {
            return Err(too_large(max_bytes));
        }
        // A frame of zeros reaches some 20,000 to 1; a claim beyond that earns no memory in advance.
        let wanted = size.min(data.len().saturating_mul(32_768));
        content.try_reserve_exact(wanted).map_err(|_| no_memory(wanted))?;
    }
    let decoder = zstd::stream::read::Decoder::with_buffer(data).map_err(damaged)?;
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(limit).read_to_end(&mut content).map_err(damaged)?;
    if content.len() > max_bytes {
        return Err(too_large(max_bytes));
    }
    Ok(content)
}

fn no_memory(wanted_bytes: usize) -> Failure {
    Failure::new(
        CORRUPT,
        format!("the zstd data needs {wanted_bytes} bytes, which are not to be had"),
    )
}

fn too_large(max_bytes: usize) -> Failure {
    Failure::new(CORRUPT, format!("the zstd data would grow beyond {max_bytes} bytes"))
}

pub fn crc32(data: &[u8], seed: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(data);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bomb_is_refused_with_and_without_a_declared_size() {
        let declared = compress(&vec![0; 1 << 24], 3).unwrap();
        assert!(decompress(&declared, (1 << 24) - 1).is_err());
        assert_eq!(decompress(&declared, 1 << 24).unwrap().len(), 1 << 24);
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        std::io::Write::write_all(&mut encoder, &vec![0; 1 << 24]).unwrap();
        let undeclared = encoder.finish().unwrap();
        assert!(decompress(&undeclared, 1 << 20).is_err());
        assert_eq!(decompress(&undeclared, 1 << 24).unwrap().len(), 1 << 24);
    }

    #[test]
    fn the_crc_is_the_one_of_zlib_and_can_be_continued() {
        assert_eq!(crc32(b"123456789", 0), 0xcbf4_3926);
        assert_eq!(crc32(b"56789", crc32(b"1234", 0)), 0xcbf4_3926);
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(data: Vec<u8>, level in 1..=9i32) {
            let packed = compress(&data, level).unwrap();
            prop_assert_eq!(decompress(&packed, data.len()).unwrap(), data);
        }

        #[test]
        fn a_cut_frame_is_an_error(data in proptest::collection::vec(any::<u8>(), 0..4096), cut in 0.0..1.0f64) {
            let packed = compress(&data, 3).unwrap();
            let kept = (packed.len() as f64 * cut) as usize;
            prop_assert!(decompress(&packed[..kept], 1 << 20).is_err());
        }

        #[test]
        fn any_flipped_bit_is_an_error_or_changes_nothing(
            data in proptest::collection::vec(any::<u8>(), 1..4096), at: prop::sample::Index, bit in 0..8u8,
        ) {
            let mut packed = compress(&data, 3).unwrap();
            let place = at.index(packed.len());
            packed[place] ^= 1 << bit;
            if let Ok(content) = decompress(&packed, 1 << 20) {
                prop_assert_eq!(content, data);
            }
        }

        #[test]
        fn any_bytes_end_in_content_or_an_error(data: Vec<u8>) {
            let _ = decompress(&data, 1 << 16);
        }
    }
}
