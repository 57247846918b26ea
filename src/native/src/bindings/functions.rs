use napi::bindgen_prelude::{AsyncTask, BigInt, Buffer, Object, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;

use super::{thrown, whole_bytes, Thrown};
use crate::error::Failure;
use crate::inspect::Kind;
use crate::process::End;
use crate::{clock, compress, inspect, lock, process, shared};

#[napi]
pub fn reserve_file(path: String, size_bytes: f64) -> Result<(), Thrown> {
    shared::reserve_file(&path, whole_bytes(size_bytes)?).map_err(thrown)
}

#[napi]
pub fn wake_word(path: String, offset: u32) -> Result<u32, Thrown> {
    shared::wake_word(&path, offset as usize).map_err(thrown)
}

#[napi]
pub fn fence(clock_base: BigInt) -> Result<f64, Thrown> {
    let (_, base, _) = clock_base.get_u64();
    clock::fence(base).map_err(thrown)
}

#[napi]
pub fn membarrier() -> Result<(), Thrown> {
    clock::membarrier().map_err(thrown)
}

#[napi(object)]
pub struct ClockPair {
    pub tsc: BigInt,
    pub monotonic_ns: BigInt,
    pub realtime_ns: BigInt,
}

#[napi]
pub fn clock_pair() -> ClockPair {
    let pair = clock::clock_pair();
    ClockPair {
        tsc: pair.tsc.into(),
        monotonic_ns: pair.monotonic_ns.into(),
        realtime_ns: pair.realtime_ns.into(),
    }
}

#[napi]
pub fn has_invariant_tsc() -> bool {
    clock::has_invariant_tsc()
}

#[napi]
pub fn lock_file(path: String) -> Result<i32, Thrown> {
    lock::lock_file(&path).map_err(thrown)
}

#[napi]
pub fn unlock_file(descriptor: i32) -> Result<(), Thrown> {
    lock::unlock_file(descriptor).map_err(thrown)
}

#[napi]
pub fn is_locked(path: String) -> Result<bool, Thrown> {
    lock::is_locked(&path).map_err(thrown)
}

#[napi]
pub fn process_start_time(pid: u32) -> Option<f64> {
    process::start_time(pid)
}

#[napi(object, use_nullable = true)]
pub struct ProcessEnd {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

/// Waits in a thread of its own: a run may last for days, and Node's own threads are few.
#[napi(ts_return_type = "Promise<ProcessEnd>")]
pub fn wait_for_end(env: &Env, pid: u32) -> napi::Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred()?;
    std::thread::Builder::new().name("memprof-wait".to_owned()).spawn(move || {
        let end = match process::wait_for_end(pid) {
            Ok(End::Status(status)) => ProcessEnd { code: Some(status), signal: None },
            Ok(End::Signal(signal)) => ProcessEnd { code: None, signal: Some(signal) },
            Err(failure) => return deferred.reject(napi::Error::from_reason(failure.to_string())),
        };
        deferred.resolve(move |_| Ok(end));
    })?;
    Ok(promise)
}

#[napi]
pub fn trim_heap() {
    process::trim_heap();
}

#[napi]
pub fn zstd_compress(data: Uint8Array, level: i32) -> Result<Buffer, Thrown> {
    compress::compress(&data, level).map(Buffer::from).map_err(thrown)
}

pub struct CompressTask {
    data: Uint8Array,
    level: i32,
}

impl Task for CompressTask {
    type Output = Vec<u8>;
    type JsValue = Buffer;

    fn compute(&mut self) -> napi::Result<Vec<u8>> {
        compress::compress(&self.data, self.level)
            .map_err(|failure| napi::Error::from_reason(failure.to_string()))
    }

    fn resolve(&mut self, _: Env, output: Vec<u8>) -> napi::Result<Buffer> {
        Ok(Buffer::from(output))
    }
}

/// `data` is read by another thread: it must stay as it is until the promise is settled. It is kept alive.
#[napi]
pub fn zstd_compress_async(
    data: Uint8Array,
    level: i32,
) -> Result<AsyncTask<CompressTask>, Thrown> {
    compress::check_level(level).map_err(thrown)?;
    Ok(AsyncTask::new(CompressTask { data, level }))
}

#[napi]
pub fn zstd_decompress(data: Uint8Array, max_bytes: f64) -> Result<Buffer, Thrown> {
    if max_bytes.is_nan() || max_bytes < 0.0 {
        return Err(thrown(Failure::new("EINVAL", format!("{max_bytes} is not a size in bytes"))));
    }
    // The cast saturates.
    compress::decompress(&data, max_bytes as usize).map(Buffer::from).map_err(thrown)
}

#[napi]
pub fn crc32(data: Uint8Array, seed: Option<u32>) -> u32 {
    compress::crc32(&data, seed.unwrap_or(0))
}

#[napi(object, use_nullable = true)]
pub struct Inspection {
    pub kind: String,
    pub elf_class: Option<u32>,
    pub machine: Option<String>,
    pub interpreter: Option<String>,
    pub is_setuid: bool,
    pub shebang: Option<Vec<String>>,
    pub build_id: Option<String>,
}

#[napi]
pub fn inspect_executable(path: String) -> Result<Inspection, Thrown> {
    let found = inspect::inspect_executable(&path).map_err(thrown)?;
    let kind = match found.kind {
        Kind::Elf => "elf",
        Kind::Script => "script",
        Kind::Other => "other",
    };
    Ok(Inspection {
        kind: kind.to_owned(),
        elf_class: found.elf_class,
        machine: found.machine,
        interpreter: found.interpreter,
        is_setuid: found.is_setuid,
        shebang: found.shebang,
        build_id: found.build_id,
    })
}
