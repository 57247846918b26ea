//! A mapping as an external ArrayBuffer. Two holders keep a mapping alive: the buffer's backing
//! store, and a wrap on the ArrayBuffer object by which `unmap` finds it again. Whoever
//! comes first unmaps; the mapping itself knows that it is done.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use napi::bindgen_prelude::{ToNapiValue, Unknown};
use napi::{sys, Env, JsValue};
use napi_derive::napi;

use super::{thrown, whole_bytes, Thrown};
use crate::error::Failure;
use crate::shared::Mapping;

/// Random, fixed: tells our ArrayBuffers from everybody else's, whose wraps mean something else.
const TAG: sys::napi_type_tag =
    sys::napi_type_tag { lower: 0x6f1c_93d7_2b5e_48a1, upper: 0xd02a_7e46_915f_b3c8 };

pub struct MappedBuffer(sys::napi_value);

impl ToNapiValue for MappedBuffer {
    unsafe fn to_napi_value(_: sys::napi_env, value: Self) -> napi::Result<sys::napi_value> {
        Ok(value.0)
    }
}

unsafe extern "C" fn release(_: sys::napi_env, holder: *mut c_void, _: *mut c_void) {
    drop(Arc::from_raw(holder as *const Mapping));
}

unsafe extern "C" fn release_hint(_: sys::napi_env, _: *mut c_void, holder: *mut c_void) {
    drop(Arc::from_raw(holder as *const Mapping));
}

fn check(status: sys::napi_status, doing: &str) -> Result<(), Thrown> {
    match status {
        sys::Status::napi_ok => Ok(()),
        status => Err(thrown(Failure::new(
            "ERR_MEMPROF_NATIVE",
            format!("{doing}: Node-API says {}", napi::Status::from(status)),
        ))),
    }
}

#[napi(ts_return_type = "ArrayBuffer")]
pub fn map_shared(env: Env, path: String) -> Result<MappedBuffer, Thrown> {
    buffer_over(env, Mapping::open(&path).map_err(thrown)?, &format!("cannot map {path}"))
}

#[napi(ts_return_type = "ArrayBuffer")]
pub fn map_memory(env: Env, size_bytes: f64) -> Result<MappedBuffer, Thrown> {
    let mapping = Mapping::anonymous(whole_bytes(size_bytes)? as usize).map_err(thrown)?;
    buffer_over(env, mapping, &format!("cannot map {size_bytes} bytes of memory"))
}

fn buffer_over(env: Env, mapping: Mapping, doing: &str) -> Result<MappedBuffer, Thrown> {
    let mapping = Arc::new(mapping);
    let mut buffer = ptr::null_mut();
    let holder = Arc::into_raw(mapping.clone());
    // SAFETY: `release_hint` takes the holder over when the call succeeds.
    let status = unsafe {
        sys::napi_create_external_arraybuffer(
            env.raw(),
            mapping.address().cast(),
            mapping.size_bytes(),
            Some(release_hint),
            holder as *mut c_void,
            &mut buffer,
        )
    };
    if status != sys::Status::napi_ok {
        // SAFETY: nobody took it over.
        drop(unsafe { Arc::from_raw(holder) });
        if status == sys::Status::napi_no_external_buffers_allowed {
            return Err(thrown(Failure::new(
                "ERR_MEMPROF_NATIVE",
                format!(
                    "{doing}: this JavaScript engine allows no external memory \
                     (V8 sandbox or pointer compression); run memprof with an official Node.js"
                ),
            )));
        }
        check(status, doing)?;
    }
    let holder = Arc::into_raw(mapping);
    // SAFETY: `release` takes the holder over when the call succeeds.
    let status = unsafe {
        sys::napi_wrap(
            env.raw(),
            buffer,
            holder as *mut c_void,
            Some(release),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    if status != sys::Status::napi_ok {
        // SAFETY: nobody took it over.
        drop(unsafe { Arc::from_raw(holder) });
        check(status, doing)?;
    }
    // SAFETY: a live value of this environment.
    let status = unsafe { sys::napi_type_tag_object(env.raw(), buffer, &TAG) };
    check(status, doing)?;
    Ok(MappedBuffer(buffer))
}

#[napi]
pub fn unmap(
    env: Env,
    #[napi(ts_arg_type = "ArrayBuffer")] buffer: Unknown<'_>,
) -> Result<(), Thrown> {
    let doing = "cannot unmap";
    let mut is_ours = false;
    // SAFETY: live values of this environment throughout; the wrap behind our tag is an Arc<Mapping>
    // that the object keeps alive.
    unsafe {
        let status = sys::napi_check_object_type_tag(env.raw(), buffer.raw(), &TAG, &mut is_ours);
        if status != sys::Status::napi_ok || !is_ours {
            return Err(thrown(Failure::new(
                "EINVAL",
                format!("{doing}: this is not an ArrayBuffer that mapShared or mapMemory gave"),
            )));
        }
        let mut holder = ptr::null_mut();
        check(sys::napi_unwrap(env.raw(), buffer.raw(), &mut holder), doing)?;
        let mut is_detached = false;
        check(sys::napi_is_detached_arraybuffer(env.raw(), buffer.raw(), &mut is_detached), doing)?;
        if !is_detached {
            // First: from here on no view of it can reach the memory.
            check(sys::napi_detach_arraybuffer(env.raw(), buffer.raw()), doing)?;
        }
        (*(holder as *const Mapping)).unmap();
    }
    Ok(())
}
