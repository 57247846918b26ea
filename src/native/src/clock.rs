//! The clock of the traced side and the barrier that the reader pays for.

use std::arch::x86_64::{__cpuid, _mm_lfence, _rdtsc};

use crate::error::{Failure, Outcome};

// linux/membarrier.h
const MEMBARRIER_CMD_GLOBAL: libc::c_long = 1 << 0;
const MEMBARRIER_CMD_GLOBAL_EXPEDITED: libc::c_long = 1 << 1;

/// Every earlier load of this thread is done before the counter is read.
fn ordered_tsc() -> u64 {
    // SAFETY: SSE2 and RDTSC are part of every x86-64.
    unsafe {
        _mm_lfence();
        _rdtsc()
    }
}

fn membarrier_call(command: libc::c_long) -> bool {
    // SAFETY: takes no pointers.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// A full memory barrier on every running thread of every process that registered for it. The
/// shim registers (REGISTER_GLOBAL_EXPEDITED); where the kernel lacks that command (before 4.16),
/// GLOBAL waits for all threads instead, in milliseconds.
pub fn membarrier() -> Outcome<()> {
    if membarrier_call(MEMBARRIER_CMD_GLOBAL_EXPEDITED) || membarrier_call(MEMBARRIER_CMD_GLOBAL) {
        return Ok(());
    }
    Err(Failure::last_errno("cannot issue a memory barrier (membarrier)"))
}

/// Ticks since `clock_base`, then the barrier. The order is the point: a thread whose busy word is
/// seen as 0 after the barrier can only publish ticks above the one returned.
pub fn fence(clock_base: u64) -> Outcome<f64> {
    let now = ordered_tsc();
    membarrier()?;
    Ok(now.wrapping_sub(clock_base) as i64 as f64)
}

#[derive(Debug, Clone, Copy)]
pub struct ClockPair {
    pub tsc: u64,
    pub monotonic_ns: u64,
    pub realtime_ns: u64,
}

fn read_clock_ns(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid pointer; both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The three clocks at one moment: the tightest of some tries, so that an interrupt between two
/// of the reads does not bend the scale from ticks to nanoseconds.
pub fn clock_pair() -> ClockPair {
    const TRIES: usize = 8;
    let mut best: Option<(u64, ClockPair)> = None;
    for _ in 0..TRIES {
        let before = ordered_tsc();
        let monotonic_ns = read_clock_ns(libc::CLOCK_MONOTONIC);
        let realtime_ns = read_clock_ns(libc::CLOCK_REALTIME);
        let spread = ordered_tsc().wrapping_sub(before);
        let pair = ClockPair { tsc: before.wrapping_add(spread / 2), monotonic_ns, realtime_ns };
        if best.is_none_or(|(least, _)| spread < least) {
            best = Some((spread, pair));
        }
    }
    best.expect("TRIES is not 0").1
}

/// CPUID 80000007h EDX bit 8: the counter ticks at one rate in every power state.
pub fn has_invariant_tsc() -> bool {
    // The intrinsic became safe in a later compiler than the one this crate asks for.
    #[allow(unused_unsafe)]
    unsafe {
        __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & (1 << 8) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_give_ticks_that_never_fall() {
        let base = clock_pair().tsc;
        let one = fence(base).unwrap();
        let two = fence(base).unwrap();
        assert!(two >= one, "{two} < {one}");
    }

    #[test]
    fn a_later_pair_is_later_on_every_clock() {
        let one = clock_pair();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let two = clock_pair();
        assert!(two.tsc > one.tsc);
        assert!(two.monotonic_ns > one.monotonic_ns);
        assert!(two.realtime_ns > one.realtime_ns);
    }
}
