//! Names for addresses: function, file, line, inlined frames. Reads files that anybody may have
//! damaged: no claim in them is trusted, and what cannot be known stays unknown.

mod bytes;
pub mod data;
mod demangle;
mod dwarf;
pub mod exported;
mod guard;
mod image;
mod locate;
mod metered;
mod module;
mod scopes;
mod split;
mod table;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use module::Reason;
use module::{Module, Resolved};

#[cfg(test)]
mod tests;

/// DIEs nest as deep as a file likes and the DWARF reader recurses into them; the default stack of
/// a thread ends after some 10,000 of them. Only touched pages cost memory.
const STACK_BYTES: usize = 256 << 20;

type Key = (String, Vec<u8>);

pub struct Symbolizer {
    folders: Vec<PathBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    modules: HashMap<Key, Arc<Slot>>,
    debug_files: HashMap<Vec<u8>, PathBuf>,
}

/// One module, opened or not.
#[derive(Default)]
struct Slot {
    inside: Mutex<Inside>,
    /// Notified when somebody has opened it ahead.
    opened: Condvar,
}

#[derive(Default)]
struct Inside {
    module: Option<Module>,
    is_opened_ahead: bool,
}

/// Who opens a module ahead gets little of a busy machine: those who want names wait so long for it, then open
/// the module themselves.
const AHEAD_PATIENCE: Duration = Duration::from_millis(300);

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, open: impl FnOnce() -> Module, work: impl FnOnce(&mut Module) -> T) -> T {
        let mut inside = self
            .opened
            .wait_timeout_while(self.lock(), AHEAD_PATIENCE, |inside| {
                inside.module.is_none() && inside.is_opened_ahead
            })
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        work(inside.module.get_or_insert_with(open))
    }

    /// Without holding up anybody else.
    fn open_ahead(&self, open: impl FnOnce() -> Module) {
        {
            let mut inside = self.lock();
            if inside.module.is_some() || inside.is_opened_ahead {
                return;
            }
            inside.is_opened_ahead = true;
        }
        // Also where reading the file panics.
        struct Done<'slot>(&'slot Slot);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.lock().is_opened_ahead = false;
                self.0.opened.notify_all();
            }
        }
        let _done = Done(self);
        let module = open();
        self.lock().module.get_or_insert(module);
    }
}

/// Answers in the order of the addresses asked.
pub struct Answers {
    pub found: bool,
    pub reason: Reason,
    pub has_debug_info: bool,
    pub has_symbols: bool,
    pub sources: Vec<PathBuf>,
    pub resolved: Vec<Resolved>,
}

impl Symbolizer {
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders, state: Mutex::default() }
    }

    /// A debug file from elsewhere. It is believed where its own build id is this one, and only
    /// where none lies in the usual places.
    pub fn use_debug_file(&self, build_id: &[u8], path: PathBuf) {
        let mut state = self.state();
        state.debug_files.insert(build_id.to_vec(), path);
        state.modules.retain(|(_, known), _| known != build_id);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Modules stay open. Two calls for one module follow each other, for two they run at once.
    /// Without addresses it only opens the module, and leaves the processors to whoever wants them.
    pub fn resolve(&self, path: &str, expected_build_id: &[u8], addresses: &[f64]) -> Answers {
        let key = (path.to_owned(), expected_build_id.to_vec());
        let (slot, debug_file) = {
            let mut state = self.state();
            let debug_file = state.debug_files.get(expected_build_id).cloned();
            (state.modules.entry(key).or_default().clone(), debug_file)
        };
        let open = || {
            Module::open(Path::new(path), expected_build_id, &self.folders, debug_file.as_deref())
        };
        let work = || slot.with(open, |module| resolve_all(module, addresses));
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            let aside = || {
                if addresses.is_empty() {
                    step_back();
                    slot.open_ahead(open);
                }
                work()
            };
            match thread.spawn_scoped(scope, aside) {
                Ok(running) => running.join().unwrap_or_else(|_| Answers::nothing(addresses.len())),
                // No address space left for such a stack (ulimit -v).
                Err(_) => work(),
            }
        })
    }
}

/// Not to the very end of the queue: an answer may be wanted before it is done.
const BACKGROUND_NICENESS: libc::c_int = 10;

/// Of the calling thread alone, for good. Refused or not, the work is the same.
fn step_back() {
    // SAFETY: a plain system call; Linux takes 0 for the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, BACKGROUND_NICENESS) };
}

impl Answers {
    fn nothing(count: usize) -> Self {
        Self {
            found: true,
            reason: Reason::NoSymbols,
            has_debug_info: false,
            has_symbols: false,
            sources: Vec::new(),
            resolved: vec![Resolved::unknown(); count],
        }
    }
}

fn resolve_all(module: &mut Module, addresses: &[f64]) -> Answers {
    let mut known: HashMap<u64, usize> = HashMap::new();
    let mut resolved: Vec<Resolved> = Vec::with_capacity(addresses.len());
    for &address in addresses {
        // An address beyond 2^53 or a fraction is nobody's; the cast saturates.
        let address = address as u64;
        let answer = match known.get(&address) {
            Some(&index) => resolved[index].clone(),
            None => module.resolve(address),
        };
        known.entry(address).or_insert(resolved.len());
        resolved.push(answer);
    }
    Answers {
        found: module.found,
        reason: module.reason,
        has_debug_info: module.has_debug_info(),
        has_symbols: module.has_symbols,
        sources: module.sources(),
        resolved,
    }
}
