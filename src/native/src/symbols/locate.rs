//! Where distributions keep what they strip: by build id, by .gnu_debuglink, and dwz's shared part.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::image::Image;
use crate::inspect::hex;

/// The separate debug file of `image`, checked to belong to it.
pub fn find_debug_file(
    image: &Image,
    path: &Path,
    folders: &[PathBuf],
) -> Option<(Image, PathBuf)> {
    find_by_build_id(&image.build_id, folders)
        .filter(|(found, _)| found.identity != image.identity)
        .or_else(|| find_by_link(image, path, folders))
}

/// <folder>/.build-id/ab/cdef.debug
pub fn find_by_build_id(build_id: &[u8], folders: &[PathBuf]) -> Option<(Image, PathBuf)> {
    let (first, rest) = build_id.split_first().filter(|(_, rest)| !rest.is_empty())?;
    folders.iter().find_map(|folder| {
        let path = folder.join(format!(".build-id/{first:02x}/{}.debug", hex(rest)));
        let found = Image::open(&path).ok()?;
        (found.build_id == build_id).then_some((found, path))
    })
}

fn find_by_link(image: &Image, path: &Path, folders: &[PathBuf]) -> Option<(Image, PathBuf)> {
    let link = image.debug_link()?;
    let name = Path::new(OsStr::from_bytes(&link.file_name));
    // A name only: the bytes of one file must not lead to any other place.
    if name.file_name() != Some(name.as_os_str()) {
        return None;
    }
    let mut places = Vec::new();
    let real = std::fs::canonicalize(path).ok();
    for beside in [path.parent(), real.as_deref().and_then(Path::parent)].into_iter().flatten() {
        places.push(beside.join(name));
        places.push(beside.join(".debug").join(name));
        let below = beside.strip_prefix("/").unwrap_or(beside);
        places.extend(folders.iter().map(|folder| folder.join(below).join(name)));
    }
    places.into_iter().find_map(|place| {
        let found = Image::open(&place).ok()?;
        let is_other = found.identity != image.identity;
        (is_other && crc_of(&place).ok()? == link.crc).then_some((found, place))
    })
}

fn crc_of(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// The file that a dwz-processed debug file shares with others.
pub fn find_alt_file(debug: &Image, path: &Path, folders: &[PathBuf]) -> Option<(Image, PathBuf)> {
    let link = debug.alt_link()?;
    let named = Path::new(OsStr::from_bytes(&link.path));
    // Join keeps an absolute path as it is. dwz writes paths relative to the debug file.
    let named = path.parent().unwrap_or(Path::new("/")).join(named);
    Image::open(&named)
        .ok()
        .filter(|found| found.build_id == link.build_id)
        .map(|found| (found, named))
        .or_else(|| find_by_build_id(&link.build_id, folders))
}
