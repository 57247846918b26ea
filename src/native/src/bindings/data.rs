use std::path::{Path, PathBuf};

use napi::bindgen_prelude::{AsyncTask, Float64Array};
use napi::{Env, Task};
use napi_derive::napi;

use super::symbols::build_id_of;
use super::Thrown;
use crate::symbols::data::{has_symbols, DataName, DataSymbols};
use crate::symbols::exported;

/// Columns: an address each.
#[napi(object, object_from_js = false)]
pub struct ResolvedData {
    pub symbol: Vec<Option<String>>,
    pub offset: Float64Array,
}

pub struct DataTask {
    path: String,
    build_id: Vec<u8>,
    folders: Vec<PathBuf>,
    addresses: Vec<f64>,
}

impl Task for DataTask {
    type Output = Vec<Option<DataName>>;
    type JsValue = ResolvedData;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        let symbols = DataSymbols::open(Path::new(&self.path), &self.build_id, &self.folders);
        Ok(symbols.resolve(&self.addresses))
    }

    fn resolve(&mut self, _: Env, names: Self::Output) -> napi::Result<ResolvedData> {
        let offset: Vec<f64> =
            names.iter().map(|name| name.as_ref().map_or(0, |name| name.offset) as f64).collect();
        let symbol = names.into_iter().map(|name| name.map(|name| name.symbol)).collect();
        Ok(ResolvedData { symbol, offset: offset.into() })
    }
}

#[napi]
pub fn resolve_data(
    path: String,
    expected_build_id: String,
    debug_folders: Vec<String>,
    addresses: Float64Array,
) -> Result<AsyncTask<DataTask>, Thrown> {
    let build_id = build_id_of(&expected_build_id)?;
    let folders = debug_folders.into_iter().map(PathBuf::from).collect();
    Ok(AsyncTask::new(DataTask { path, build_id, folders, addresses: addresses.to_vec() }))
}

pub struct SymbolsTask {
    path: String,
    wanted: Vec<String>,
}

impl Task for SymbolsTask {
    type Output = Vec<bool>;
    type JsValue = Vec<bool>;

    fn compute(&mut self) -> napi::Result<Vec<bool>> {
        Ok(has_symbols(Path::new(&self.path), &self.wanted))
    }

    fn resolve(&mut self, _: Env, found: Vec<bool>) -> napi::Result<Vec<bool>> {
        Ok(found)
    }
}

#[napi]
pub fn find_symbols(path: String, wanted: Vec<String>) -> AsyncTask<SymbolsTask> {
    AsyncTask::new(SymbolsTask { path, wanted })
}

/// At once: a few milliseconds for node.
#[napi]
pub fn exported_ranges(path: String, prefixes: Vec<String>) -> Float64Array {
    let ranges = exported::exported_ranges(Path::new(&path), &prefixes);
    let flat: Vec<f64> =
        ranges.into_iter().flat_map(|(start, end)| [start as f64, end as f64]).collect();
    flat.into()
}
