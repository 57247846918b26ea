//! A DWARF reader that pays for what it reads.
//!
//! DWARF refers: a million units can share one line table, a million files one directory name, and
//! whoever follows each reference works (and allocates) quadratically in the size of the file. Healthy
//! files are read about twice. So every read is charged to the file's meter, and when it is used up,
//! reads fail as they do on damage.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use gimli::{EndianSlice, Error, LittleEndian, Reader, ReaderOffsetId, Result};

/// 82 MB from g++, every unit read, take 1.2.
const WORK_PER_BYTE: u64 = 16;
/// What the smallest file may use: some 0.2 s.
const LEAST_WORK: u64 = 32 << 20;
/// An address whose unit was read before needs a few names.
pub const WORK_PER_ADDRESS: u64 = 4096;
const READ_COST: usize = 1;

/// Atomic only because a module may move between threads; never used by two at once.
#[derive(Debug, Default)]
pub struct Meter(AtomicU64);

impl Meter {
    /// For one reading of `size_bytes` of debug info, however the reading is spread over calls.
    pub fn allow_bytes(&self, size_bytes: usize) {
        self.allow((size_bytes as u64).saturating_mul(WORK_PER_BYTE).saturating_add(LEAST_WORK));
    }

    pub fn allow(&self, work: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).saturating_add(work), Ordering::Relaxed);
    }

    #[inline]
    pub fn charge(&self, work: usize) -> Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        let Some(rest) = left.checked_sub(work as u64) else { return Err(exhausted()) };
        self.0.store(rest, Ordering::Relaxed);
        Ok(())
    }
}

#[cold]
fn exhausted() -> Error {
    Error::TooManyIterations
}

type Slice<'a> = EndianSlice<'a, LittleEndian>;

#[derive(Debug, Clone, Copy)]
pub struct Metered<'a> {
    slice: Slice<'a>,
    meter: &'a Meter,
}

impl<'a> Metered<'a> {
    pub fn new(bytes: &'a [u8], meter: &'a Meter) -> Self {
        Self { slice: EndianSlice::new(bytes, LittleEndian), meter }
    }
}

impl Reader for Metered<'_> {
    type Endian = LittleEndian;
    type Offset = usize;

    #[inline]
    fn endian(&self) -> LittleEndian {
        LittleEndian
    }

    #[inline]
    fn len(&self) -> usize {
        self.slice.slice().len()
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.slice.slice().is_empty()
    }

    #[inline]
    fn read_u8(&mut self) -> Result<u8> {
        self.meter.charge(1 + READ_COST)?;
        Reader::read_u8(&mut self.slice)
    }

    #[inline]
    fn empty(&mut self) {
        Reader::empty(&mut self.slice);
    }

    #[inline]
    fn truncate(&mut self, len: usize) -> Result<()> {
        Reader::truncate(&mut self.slice, len)
    }

    #[inline]
    fn offset_from(&self, base: &Self) -> usize {
        Reader::offset_from(&self.slice, &base.slice)
    }

    #[inline]
    fn offset_id(&self) -> ReaderOffsetId {
        Reader::offset_id(&self.slice)
    }

    #[inline]
    fn lookup_offset_id(&self, id: ReaderOffsetId) -> Option<usize> {
        Reader::lookup_offset_id(&self.slice, id)
    }

    #[inline]
    fn find(&self, byte: u8) -> Result<usize> {
        let found = Reader::find(&self.slice, byte);
        self.meter.charge(*found.as_ref().unwrap_or(&self.len()))?;
        found
    }

    #[inline]
    fn skip(&mut self, len: usize) -> Result<()> {
        self.meter.charge(READ_COST)?;
        Reader::skip(&mut self.slice, len)
    }

    #[inline]
    fn split(&mut self, len: usize) -> Result<Self> {
        self.meter.charge(READ_COST)?;
        Ok(Self { slice: Reader::split(&mut self.slice, len)?, meter: self.meter })
    }

    #[inline]
    fn to_slice(&self) -> Result<Cow<'_, [u8]>> {
        self.meter.charge(self.len())?;
        Reader::to_slice(&self.slice)
    }

    #[inline]
    fn to_string(&self) -> Result<Cow<'_, str>> {
        self.meter.charge(self.len())?;
        Reader::to_string(&self.slice)
    }

    #[inline]
    fn to_string_lossy(&self) -> Result<Cow<'_, str>> {
        self.meter.charge(self.len())?;
        Reader::to_string_lossy(&self.slice)
    }

    #[inline]
    fn read_slice(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.meter.charge(buffer.len() + READ_COST)?;
        Reader::read_slice(&mut self.slice, buffer)
    }
}
