//! Which process a pid means: pids are reused, (pid, start time) pairs are not.

use std::fs;

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
    fn this_process_has_one_and_a_reaped_one_has_none() {
        assert!(start_time(std::process::id()).is_some());
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert_eq!(start_time(pid), None);
    }
}
