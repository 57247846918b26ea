//! flock(2): a lock that the kernel takes back when its holder dies.

use std::ffi::CString;
use std::io;
use std::time::Duration;

use crate::error::{Failure, Outcome};

fn open(path: &str, doing: &str) -> Outcome<i32> {
    let c_path = CString::new(path)
        .map_err(|_| Failure::new("EINVAL", format!("{doing}: the path holds a NUL byte")))?;
    // SAFETY: a NUL-terminated path.
    let descriptor =
        unsafe { libc::open(c_path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK) };
    if descriptor < 0 {
        return Err(Failure::last_errno(doing));
    }
    Ok(descriptor)
}

fn close(descriptor: i32) {
    // SAFETY: callers own the descriptor. Linux frees it even when close reports an error.
    unsafe { libc::close(descriptor) };
}

/// Holds the lock until `unlock_file` or until this process ends. EWOULDBLOCK: somebody else has it.
pub fn lock_file(path: &str) -> Outcome<i32> {
    // `is_locked` of another process holds a shared lock for an instant; do not take it for an owner.
    const TRIES: u32 = 5;
    let doing = format!("cannot lock {path}");
    let descriptor = open(path, &doing)?;
    for attempt in 1.. {
        // SAFETY: an open descriptor.
        if unsafe { libc::flock(descriptor, libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        let held = error.raw_os_error() == Some(libc::EWOULDBLOCK);
        if held && attempt < TRIES {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        close(descriptor);
        return Err(match held {
            true => Failure::new("EWOULDBLOCK", format!("{doing}: another process holds it")),
            false => Failure::from_io(doing, &error),
        });
    }
    Ok(descriptor)
}

pub fn unlock_file(descriptor: i32) -> Outcome<()> {
    // SAFETY: at worst a wrong descriptor, which the kernel refuses.
    if unsafe { libc::flock(descriptor, libc::LOCK_UN) } != 0 {
        return Err(Failure::last_errno(format!("cannot unlock descriptor {descriptor}")));
    }
    close(descriptor);
    Ok(())
}

/// A file that is not there is held by nobody.
pub fn is_locked(path: &str) -> Outcome<bool> {
    let doing = format!("cannot ask for the lock of {path}");
    let descriptor = match open(path, &doing) {
        Err(failure) if failure.code == "ENOENT" => return Ok(false),
        opened => opened?,
    };
    // SAFETY: an open descriptor. Closing it gives the shared lock back.
    let refused = unsafe { libc::flock(descriptor, libc::LOCK_SH | libc::LOCK_NB) } != 0;
    let error = io::Error::last_os_error();
    close(descriptor);
    match (refused, error.raw_os_error()) {
        (false, _) => Ok(false),
        (true, Some(libc::EWOULDBLOCK)) => Ok(true),
        (true, _) => Err(Failure::from_io(doing, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_seen_refused_and_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session");
        std::fs::write(&path, b"x").unwrap();
        let path = path.to_str().unwrap();
        assert!(!is_locked(path).unwrap());
        let held = lock_file(path).unwrap();
        assert!(is_locked(path).unwrap());
        assert_eq!(lock_file(path).unwrap_err().code, "EWOULDBLOCK");
        unlock_file(held).unwrap();
        assert!(!is_locked(path).unwrap());
        let again = lock_file(path).unwrap();
        unlock_file(again).unwrap();
    }

    #[test]
    fn a_file_that_is_not_there_is_not_locked_and_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none");
        let path = path.to_str().unwrap();
        assert!(!is_locked(path).unwrap());
        assert_eq!(lock_file(path).unwrap_err().code, "ENOENT");
    }
}
