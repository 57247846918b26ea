//! Parsers of other people panic on some hostile bytes. That costs a name, not the process, and
//! nobody wants to read about it.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// None: it panicked. Nothing is printed; panics elsewhere are told as ever.
pub fn survive<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                usual(info);
            }
        }));
    });
    let was_quiet = IS_QUIET.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    IS_QUIET.set(was_quiet);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing_and_the_next_one_is_loud_again() {
        assert_eq!(survive(|| 3), Some(3));
        assert_eq!(survive(|| -> i32 { panic!("not to be seen") }), None);
        assert!(!IS_QUIET.get());
        assert_eq!(survive(|| survive(|| -> i32 { panic!("not to be seen") })), Some(None));
        assert!(!IS_QUIET.get());
    }
}
