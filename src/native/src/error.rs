//! The one error of this crate: a code for programs, a sentence for people.

use std::fmt;
use std::io;

#[derive(Debug)]
pub struct Failure {
    /// An errno name ("ENOSPC") when the kernel refused, else a code of memprof's own.
    pub code: String,
    pub message: String,
}

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }

    /// `doing` says what was tried: "cannot map /dev/shm/x".
    pub fn from_io(doing: impl fmt::Display, error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::from_errno(doing, errno),
            None => Self::new("EIO", format!("{doing}: {error}")),
        }
    }

    pub fn from_errno(doing: impl fmt::Display, errno: i32) -> Self {
        let reason = io::Error::from_raw_os_error(errno).to_string();
        // The standard library appends " (os error N)"; the code already says it.
        let reason = reason.split(" (os error").next().unwrap_or_default();
        Self::new(errno_name(errno), format!("{doing}: {reason}"))
    }

    pub fn last_errno(doing: impl fmt::Display) -> Self {
        Self::from_io(doing, &io::Error::last_os_error())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.message, self.code)
    }
}

/// The names that the calls of this crate can meet (POSIX has no function for this).
fn errno_name(errno: i32) -> &'static str {
    match errno {
        libc::EACCES => "EACCES",
        libc::EAGAIN => "EAGAIN",
        libc::ECHILD => "ECHILD",
        libc::EBADF => "EBADF",
        libc::EDQUOT => "EDQUOT",
        libc::EEXIST => "EEXIST",
        libc::EFBIG => "EFBIG",
        libc::EINTR => "EINTR",
        libc::EINVAL => "EINVAL",
        libc::EIO => "EIO",
        libc::EISDIR => "EISDIR",
        libc::ELOOP => "ELOOP",
        libc::EMFILE => "EMFILE",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::ENFILE => "ENFILE",
        libc::ENODEV => "ENODEV",
        libc::ENOENT => "ENOENT",
        libc::ENOLCK => "ENOLCK",
        libc::ENOMEM => "ENOMEM",
        libc::ENOSPC => "ENOSPC",
        libc::ENOSYS => "ENOSYS",
        libc::ENOTDIR => "ENOTDIR",
        libc::ENXIO => "ENXIO",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::EPERM => "EPERM",
        libc::EROFS => "EROFS",
        libc::ETXTBSY => "ETXTBSY",
        _ => "EUNKNOWN",
    }
}
