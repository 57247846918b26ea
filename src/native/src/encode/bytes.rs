//! Growing columns of bytes; varints as in LEB128.

/// Numbers of a column for which room is made at once.
const SLAB: usize = 4096;

/// Of 64 bits.
pub const MAX_VARINT_BYTES: usize = 10;

/// Signed numbers as unsigned ones, small ones small.
pub fn zigzag_of(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

pub fn put_varint(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Keeps its memory from chunk to chunk.
#[derive(Default)]
pub struct Column {
    /// All of it is room; what counts are the first `length`.
    bytes: Vec<u8>,
    length: usize,
}

impl Column {
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub fn clear(&mut self) {
        self.length = 0;
    }

    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.length);
        self.bytes
    }

    pub fn put_all(&mut self, more: &[u8]) {
        self.reserve(more.len());
        self.bytes[self.length..self.length + more.len()].copy_from_slice(more);
        self.length += more.len();
    }

    pub fn put_varint(&mut self, value: u64) {
        let mut pen = self.room_for(1);
        pen.put_varint(value);
        let length = pen.length();
        self.set_length(length);
    }

    pub fn put_varints(&mut self, mut values: impl ExactSizeIterator<Item = u64>) {
        while values.len() > 0 {
            let mut pen = self.room_for(SLAB);
            for value in values.by_ref().take(SLAB) {
                pen.put_varint(value);
            }
            let length = pen.length();
            self.set_length(length);
        }
    }

    /// A pen behind what is written, for so many numbers. Its writing counts with set_length(); until then
    /// it lives in registers, which is what it is for.
    pub fn room_for(&mut self, numbers: usize) -> Pen<'_> {
        self.reserve(numbers * MAX_VARINT_BYTES);
        Pen { bytes: &mut self.bytes, at: self.length }
    }

    pub fn set_length(&mut self, length: usize) {
        self.length = length;
    }

    fn reserve(&mut self, more: usize) {
        let wanted = self.length + more;
        if wanted > self.bytes.len() {
            self.bytes.resize(wanted.max(2 * self.bytes.len()), 0);
        }
    }
}

pub struct Pen<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Pen<'_> {
    pub fn length(&self) -> usize {
        self.at
    }

    #[inline(always)]
    pub fn put(&mut self, byte: u8) {
        self.bytes[self.at] = byte;
        self.at += 1;
    }

    #[inline(always)]
    pub fn put_varint(&mut self, value: u64) {
        let mut rest = value;
        while rest > 0x7f {
            self.put(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.put(rest as u8);
    }
}
