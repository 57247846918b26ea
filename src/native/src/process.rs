//! Which process a pid means: pids are reused, (pid, start time) pairs are not.

use std::fs;
use std::mem::MaybeUninit;

use crate::error::{Failure, Outcome};

/// Field 22 of /proc/<pid>/stat in clock ticks since boot. None: gone, or a zombie. A process whose first thread
/// has left looks like one, but has other threads yet.
pub fn start_time(pid: u32) -> Option<f64> {
    parse_start_time(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The command name (field 2) may hold spaces, parentheses and line ends: count from the last ')'.
fn parse_start_time(stat: &[u8]) -> Option<f64> {
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(&stat[end_of_name + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    // The iterator now stands before field 4.
    let thread_count: u64 = fields.nth(20 - 4)?.parse().ok()?;
    let is_over = matches!(state, "X" | "x") || (state == "Z" && thread_count <= 1);
    let start_ticks: u64 = fields.nth(22 - 21)?.parse().ok()?;
    (!is_over).then_some(start_ticks as f64)
}

/// How a process ended.
#[derive(Debug, PartialEq)]
pub enum End {
    Status(i32),
    Signal(i32),
}

/// Waits for the end of a child of this process, and takes it off the kernel's books.
pub fn wait_for_end(pid: u32) -> Outcome<End> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: room for what is asked for. An interrupted call has done nothing yet.
    while unsafe { libc::waitid(libc::P_PID, pid, info.as_mut_ptr(), libc::WEXITED) } != 0 {
        if std::io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return Err(Failure::last_errno(format!("cannot wait for process {pid}")));
        }
    }
    // SAFETY: waitid succeeded, so that it is filled in for a child.
    let (code, status) = unsafe {
        let info = info.assume_init();
        (info.si_code, info.si_status())
    };
    Ok(match code {
        libc::CLD_EXITED => End::Status(status),
        _ => End::Signal(status),
    })
}

/// Gives free memory of this process's C heap back to the system, which glibc by itself keeps.
pub fn trim_heap() {
    // SAFETY: it has no preconditions.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let fields: Vec<String> = (4..=30).map(|field| field.to_string()).collect();
        let stat = format!("7 (a) b) (\n) S {}", fields.join(" "));
        assert_eq!(parse_start_time(stat.as_bytes()), Some(22.0));
        let without_first = format!("7 (sh) Z {}", fields.join(" "));
        assert_eq!(parse_start_time(without_first.as_bytes()), Some(22.0));
        let zombie = without_first.replace(" 20 ", " 1 ");
        assert_eq!(parse_start_time(zombie.as_bytes()), None);
        assert_eq!(parse_start_time(b"7 (sh) S 1 2 3"), None);
        assert_eq!(parse_start_time(b""), None);
    }

    #[test]
    fn a_childs_end_is_its_status_or_its_signal_and_somebody_elses_process_is_refused() {
        let shell = |script: &str| {
            std::process::Command::new("sh").args(["-c", script]).spawn().unwrap().id()
        };
        assert_eq!(wait_for_end(shell("exit 7")).unwrap(), End::Status(7));
        assert_eq!(wait_for_end(shell("kill -9 $$")).unwrap(), End::Signal(libc::SIGKILL));
        assert_eq!(wait_for_end(1).unwrap_err().code, "ECHILD");
    }

    #[test]
    fn this_process_has_one_and_a_reaped_one_has_none() {
        assert!(start_time(std::process::id()).is_some());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert_eq!(start_time(pid), None);
    }
}
