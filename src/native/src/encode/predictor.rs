//! Guesses where an allocation lands, as allocators reuse memory: src/trace/address-predictor.ts says how.
//! Decoders feed theirs the same events, so this one must be its equal (test/trace).

const DEPTH: usize = 16;
const THREADS: usize = 64;
const CLASSES: usize = 128;

pub struct Predictor {
    /// By thread and class. Lists get their places when they are first used: few of all are.
    place_of: Vec<u16>,
    lists: Vec<List>,
    fresh: [u64; THREADS],
}

/// The last released addresses, in a ring. 0: never filled, or taken out.
#[derive(Clone, Copy, Default)]
struct List {
    recent: [u64; DEPTH],
    /// Where the next release goes.
    next: usize,
}

impl Predictor {
    pub fn new() -> Self {
        // No key has place 0.
        let lists = vec![List::default()];
        Self { place_of: vec![0; THREADS * CLASSES], lists, fresh: [0; THREADS] }
    }

    /// The list in which a release of this size is remembered, or looked for.
    #[inline]
    pub fn list(&mut self, thread: u32, size: u64) -> usize {
        let key = thread as usize % THREADS * CLASSES + size_class(size);
        if self.place_of[key] == 0 {
            self.place_of[key] = self.lists.len() as u16;
            self.lists.push(List::default());
        }
        usize::from(self.place_of[key])
    }

    #[inline]
    pub fn released(&mut self, list: usize, address: u64) {
        let list = &mut self.lists[list];
        list.recent[list.next % DEPTH] = address;
        list.next = (list.next + 1) % DEPTH;
    }

    #[inline]
    pub fn is_newest(&self, list: usize, address: u64) -> bool {
        let list = &self.lists[list];
        list.recent[list.next.wrapping_sub(1) % DEPTH] == address
    }

    /// How many releases ago this address was released.
    #[inline]
    pub fn find(&self, list: usize, address: u64) -> Option<usize> {
        let list = &self.lists[list];
        let mut places: u16 = 0;
        for (at, recent) in list.recent.iter().enumerate() {
            places |= u16::from(*recent == address) << at;
        }
        if places == 0 {
            return None;
        }
        // The newest as the highest bit.
        Some(places.rotate_right(list.next as u32).leading_zeros() as usize)
    }

    /// Takes it out: what was released before it moves up.
    #[inline]
    pub fn take(&mut self, list: usize, age: usize) {
        let list = &mut self.lists[list];
        let newest = list.next.wrapping_sub(1);
        for moved in (0..age).rev() {
            list.recent[newest.wrapping_sub(moved + 1) % DEPTH] =
                list.recent[newest.wrapping_sub(moved) % DEPTH];
        }
        list.next = newest % DEPTH;
        list.recent[list.next] = 0;
    }

    #[inline]
    pub fn fresh(&self, thread: u32) -> u64 {
        self.fresh[thread as usize % THREADS]
    }

    /// A block was carved here: the next may follow it, 16 bytes aligned with 8 bytes of header.
    #[inline]
    pub fn carved(&mut self, thread: u32, address: u64, size: u64) {
        let chunk = if size <= 24 { 32 } else { size.saturating_add(8 + 15) & !15 };
        self.fresh[thread as usize % THREADS] = address.wrapping_add(chunk);
    }
}

/// 16 bytes a class up to 1 KiB as in glibc's tcache, then four classes a power of two.
#[inline]
fn size_class(size: u64) -> usize {
    match size {
        0..=24 => 0,
        25..=1032 => (size as usize - 9) >> 4,
        1033..=0xffff_ffff => {
            let log2 = size.ilog2() as usize;
            (64 + (log2 - 10) * 4 + (size as usize >> (log2 - 2) & 3)).min(CLASSES - 2)
        }
        _ => CLASSES - 1,
    }
}
