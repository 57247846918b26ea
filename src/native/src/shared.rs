//! Mapped memory: files of a session, reserved whole before use, mapped whole, never grown; and large
//! tables of the reader's own.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Failure, Outcome};

/// What a huge page takes on x86-64.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Mapped readable and writable. Unmapped once: by `unmap` or when dropped.
#[derive(Debug)]
pub struct Mapping {
    address: *mut u8,
    size_bytes: usize,
    mapped: AtomicBool,
}

// SAFETY: the address is only handed out; the one mutation (unmap) is guarded by the atomic.
unsafe impl Send for Mapping {}
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Zeroed memory of this process alone, in huge pages where the kernel has them to give: a table
    /// that is read at random then costs few misses of the TLB and few page faults.
    pub fn anonymous(size_bytes: usize) -> Outcome<Self> {
        let doing = format!("cannot map {size_bytes} bytes of memory");
        let rounded =
            size_bytes.checked_next_multiple_of(HUGE_PAGE_BYTES).filter(|&size| size != 0);
        let Some((rounded, reserved)) =
            rounded.and_then(|size| Some((size, size.checked_add(HUGE_PAGE_BYTES)?)))
        else {
            return Err(Failure::from_errno(doing, libc::EINVAL));
        };
        // SAFETY: a fresh mapping; the kernel checks the size.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                reserved,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(Failure::last_errno(doing));
        }
        let before = start.align_offset(HUGE_PAGE_BYTES);
        let after = reserved - before - rounded;
        // SAFETY: all ranges lie within the mapping, and nobody knows it yet. The kernel may refuse the
        // advice (a kernel without huge pages): then they are ordinary pages.
        let address = unsafe {
            let address = start.byte_add(before);
            if before > 0 {
                libc::munmap(start, before);
            }
            if after > 0 {
                libc::munmap(address.byte_add(rounded), after);
            }
            libc::madvise(address, rounded, libc::MADV_HUGEPAGE);
            address
        };
        Ok(Self { address: address.cast(), size_bytes: rounded, mapped: AtomicBool::new(true) })
    }

    /// A file, whole and shared.
    pub fn open(path: &str) -> Outcome<Self> {
        let doing = format!("cannot map {path}");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK)
            .open(path)
            .map_err(|error| Failure::from_io(&doing, &error))?;
        let size_bytes = file_size(&file, &doing)?;
        if size_bytes == 0 {
            return Err(Failure::new("EINVAL", format!("{doing}: the file is empty")));
        }
        // SAFETY: a fresh mapping of an open descriptor; the kernel checks the rest.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(Failure::last_errno(doing));
        }
        let mapping = Self { address: address.cast(), size_bytes, mapped: AtomicBool::new(true) };
        // Touching a page beyond the end of a shrunk file is SIGBUS, so ask again once it is mapped.
        let size_now = file_size(&file, &doing)?;
        if size_now != size_bytes {
            return Err(Failure::new(
                "EAGAIN",
                format!(
                    "{doing}: its size changed from {size_bytes} to {size_now} bytes meanwhile"
                ),
            ));
        }
        Ok(mapping)
    }

    pub fn address(&self) -> *mut u8 {
        self.address
    }

    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// False when it was unmapped before.
    pub fn unmap(&self) -> bool {
        if !self.mapped.swap(false, Ordering::AcqRel) {
            return false;
        }
        // SAFETY: address and size are those that mmap gave, and the swap lets only one caller here.
        unsafe { libc::munmap(self.address.cast(), self.size_bytes) };
        true
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.unmap();
    }
}

fn file_size(file: &File, doing: &str) -> Outcome<usize> {
    let metadata = file.metadata().map_err(|error| Failure::from_io(doing, &error))?;
    if !metadata.is_file() {
        return Err(Failure::new("EINVAL", format!("{doing}: it is not a regular file")));
    }
    usize::try_from(metadata.len())
        .map_err(|_| Failure::new("EFBIG", format!("{doing}: too large")))
}

/// Wakes everybody who waits on the 32-bit word at `offset` of a shared file; how many there were.
pub fn wake_word(path: &str, offset: usize) -> Outcome<u32> {
    let doing = format!("cannot wake a word of {path}");
    let mapping = Mapping::open(path)?;
    if offset % 4 != 0 || offset >= mapping.size_bytes() || mapping.size_bytes() - offset < 4 {
        return Err(Failure::from_errno(doing, libc::EINVAL));
    }
    // SAFETY: the word lies in the mapping, and a shared futex is known by its file and place.
    let woken = unsafe {
        let word = mapping.address().add(offset);
        libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX, 0usize, 0usize, 0)
    };
    u32::try_from(woken).map_err(|_| Failure::last_errno(doing))
}

/// Creates `path` (which must not exist) with all of its pages reserved, so that no later write
/// to a mapping of it can end in SIGBUS. Leaves no file behind when there is no room.
pub fn reserve_file(path: &str, size_bytes: u64) -> Outcome<()> {
    let doing = format!("cannot reserve {size_bytes} bytes for {path}");
    let length =
        libc::off_t::try_from(size_bytes).map_err(|_| Failure::from_errno(&doing, libc::EFBIG))?;
    if length == 0 {
        return Err(Failure::new("EINVAL", format!("{doing}: the size must not be 0")));
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_CLOEXEC | libc::O_NOFOLLOW)
        .open(path)
        .map_err(|error| Failure::from_io(&doing, &error))?;
    loop {
        // SAFETY: a plain call on an open descriptor. It returns the error instead of setting errno.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) } {
            0 => return Ok(()),
            libc::EINTR => continue,
            errno => {
                let failure = Failure::from_errno(&doing, errno);
                return match std::fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::new(
                        &failure.code,
                        format!("{} (and the file could not be removed: {error})", failure.message),
                    )),
                    _ => Err(failure),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_file_is_private_zeroed_and_shared_between_two_mappings() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let path = path.to_str().unwrap();
        reserve_file(path, 8192).unwrap();
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let one = Mapping::open(path).unwrap();
        let two = Mapping::open(path).unwrap();
        assert_eq!((one.size_bytes(), two.size_bytes()), (8192, 8192));
        unsafe {
            assert_eq!(two.address().add(8191).read_volatile(), 0);
            one.address().add(8191).write_volatile(7);
            assert_eq!(two.address().add(8191).read_volatile(), 7);
        }
        assert!(one.unmap());
        assert!(!one.unmap());
    }

    #[test]
    fn a_file_that_exists_is_never_reserved_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        std::fs::write(&path, b"mine").unwrap();
        let failure = reserve_file(path.to_str().unwrap(), 4096).unwrap_err();
        assert_eq!(failure.code, "EEXIST");
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn a_reservation_larger_than_the_disk_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let failure = reserve_file(path.to_str().unwrap(), 1 << 60).unwrap_err();
        assert!(["ENOSPC", "EFBIG"].contains(&failure.code.as_str()), "{failure}");
        assert!(!path.exists());
    }

    #[test]
    fn anonymous_memory_is_zeroed_aligned_and_rounded_up() {
        let memory = Mapping::anonymous(HUGE_PAGE_BYTES + 1).unwrap();
        assert_eq!(memory.size_bytes(), 2 * HUGE_PAGE_BYTES);
        assert_eq!(memory.address().align_offset(HUGE_PAGE_BYTES), 0);
        unsafe {
            assert_eq!(memory.address().read_volatile(), 0);
            memory.address().add(memory.size_bytes() - 1).write_volatile(7);
        }
        assert!(memory.unmap());
    }

    #[test]
    fn no_memory_of_impossible_sizes_is_mapped() {
        for size in [0, usize::MAX, usize::MAX - HUGE_PAGE_BYTES, 1 << 60] {
            assert!(Mapping::anonymous(size).is_err());
        }
    }

    #[test]
    fn an_empty_file_and_a_folder_are_not_mapped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(Mapping::open(path.to_str().unwrap()).unwrap_err().code, "EINVAL");
        let folder_path = folder.path().to_str().unwrap();
        assert_eq!(Mapping::open(folder_path).unwrap_err().code, "EISDIR");
    }
}
