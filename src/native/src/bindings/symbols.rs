use std::path::PathBuf;
use std::sync::Arc;

use napi::bindgen_prelude::{AsyncTask, Float64Array, Uint32Array, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;

use super::{thrown, Thrown};
use crate::error::Failure;
use crate::symbols::{self, Answers, Reason};

#[napi]
pub struct Symbolizer(Arc<symbols::Symbolizer>);

#[napi]
impl Symbolizer {
    #[napi(constructor)]
    pub fn new(debug_folders: Vec<String>) -> Self {
        let folders = debug_folders.into_iter().map(PathBuf::from).collect();
        Self(Arc::new(symbols::Symbolizer::new(folders)))
    }

    #[napi]
    pub fn use_debug_file(&self, build_id: String, path: String) -> Result<(), Thrown> {
        self.0.use_debug_file(&build_id_of(&build_id)?, PathBuf::from(path));
        Ok(())
    }

    #[napi]
    pub fn resolve(
        &self,
        path: String,
        expected_build_id: String,
        addresses: Float64Array,
    ) -> Result<AsyncTask<ResolveTask>, Thrown> {
        let build_id = build_id_of(&expected_build_id)?;
        let symbolizer = self.0.clone();
        Ok(AsyncTask::new(ResolveTask {
            symbolizer,
            path,
            build_id,
            addresses: addresses.to_vec(),
        }))
    }
}

pub struct ResolveTask {
    symbolizer: Arc<symbols::Symbolizer>,
    path: String,
    build_id: Vec<u8>,
    addresses: Vec<f64>,
}

/// Columns: address i owns the frames start[i] to start[i + 1] - 1.
#[napi(object, object_from_js = false)]
pub struct ResolvedModule {
    pub found: bool,
    pub reason: String,
    pub has_debug_info: bool,
    pub has_symbols: bool,
    pub sources: Vec<String>,
    pub start: Uint32Array,
    pub function_name: Vec<Option<String>>,
    pub file: Vec<Option<String>>,
    pub line: Uint32Array,
    pub column: Uint32Array,
    pub inlined: Vec<bool>,
    pub quality: Uint8Array,
    pub symbol_offset: Float64Array,
}

impl Task for ResolveTask {
    type Output = Answers;
    type JsValue = ResolvedModule;

    fn compute(&mut self) -> napi::Result<Answers> {
        Ok(self.symbolizer.resolve(&self.path, &self.build_id, &self.addresses))
    }

    fn resolve(&mut self, _: Env, answers: Answers) -> napi::Result<ResolvedModule> {
        Ok(to_columns(answers))
    }
}

fn to_columns(answers: Answers) -> ResolvedModule {
    let address_count = answers.resolved.len();
    let frame_count = answers.resolved.iter().map(|resolved| resolved.frames.len()).sum();
    let mut start = Vec::with_capacity(address_count + 1);
    let mut quality = Vec::with_capacity(address_count);
    let mut symbol_offset = Vec::with_capacity(address_count);
    let mut function_name = Vec::with_capacity(frame_count);
    let mut file = Vec::with_capacity(frame_count);
    let mut line = Vec::with_capacity(frame_count);
    let mut column = Vec::with_capacity(frame_count);
    let mut inlined = Vec::with_capacity(frame_count);
    for resolved in answers.resolved {
        start.push(line.len() as u32);
        quality.push(resolved.quality as u8);
        symbol_offset.push(resolved.symbol_offset as f64);
        for frame in resolved.frames {
            function_name.push(frame.function);
            file.push(frame.file);
            line.push(frame.line);
            column.push(frame.column);
            inlined.push(frame.inlined);
        }
    }
    start.push(line.len() as u32);
    // A path that is not UTF-8 cannot be told to JavaScript, so neither can all sources.
    let sources: Option<Vec<String>> =
        answers.sources.into_iter().map(|path| path.into_os_string().into_string().ok()).collect();
    let sources = sources.unwrap_or_default();
    let reason = match answers.reason {
        Reason::Ok => "ok",
        Reason::Missing => "missing",
        Reason::Changed => "changed",
        Reason::NotElf => "not-elf",
        Reason::NoSymbols => "no-symbols",
    };
    ResolvedModule {
        found: answers.found,
        reason: reason.to_owned(),
        has_debug_info: answers.has_debug_info,
        has_symbols: answers.has_symbols,
        sources,
        start: start.into(),
        function_name,
        file,
        line: line.into(),
        column: column.into(),
        inlined,
        quality: quality.into(),
        symbol_offset: symbol_offset.into(),
    }
}

pub fn build_id_of(hex: &str) -> Result<Vec<u8>, Thrown> {
    parse_hex(hex)
        .ok_or_else(|| thrown(Failure::new("EINVAL", format!("{hex:?} is not a build id in hex"))))
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
