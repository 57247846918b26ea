//! One module: its file, its separate debug file, and the order in which they are believed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::demangle::{demangle, is_mangled};
use super::dwarf::DebugInfo;
use super::image::{Image, OpenError};
use super::locate;
use super::table::SymbolTable;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    Ok,
    Missing,
    Changed,
    NotElf,
    NoSymbols,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quality {
    None = 0,
    NearestExport = 1,
    Symbol = 2,
    DebugInfo = 3,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct NamedFrame {
    pub function: Option<String>,
    pub file: Option<String>,
    pub line: u32,
    pub column: u32,
    pub inlined: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    pub frames: Vec<NamedFrame>,
    pub quality: Quality,
    pub symbol_offset: u64,
}

impl Resolved {
    /// One frame of which nothing is known.
    pub fn unknown() -> Self {
        Self { frames: vec![NamedFrame::default()], quality: Quality::None, symbol_offset: 0 }
    }
}

pub struct Module {
    pub found: bool,
    pub reason: Reason,
    image: Option<Image>,
    /// A whole symbol table: nothing that a debug file's would add to.
    pub has_symbols: bool,
    symtab: SymbolTable,
    dynsym: SymbolTable,
    debug_info: Option<DebugInfo>,
    /// The files that were read.
    paths: Vec<PathBuf>,
    /// Many addresses share their functions, and demangling costs more than finding.
    demangled: HashMap<Vec<u8>, String>,
}

impl Module {
    /// `expected_build_id` empty: whatever file is there is the right one. `known_debug_file`: where
    /// else the debug file with that build id may be.
    pub fn open(
        path: &Path,
        expected_build_id: &[u8],
        folders: &[PathBuf],
        known_debug_file: Option<&Path>,
    ) -> Self {
        let given = |build_id: &[u8]| {
            let path = known_debug_file?;
            let image = Image::open(path).ok()?;
            (!build_id.is_empty() && image.build_id == build_id).then(|| (image, path.to_owned()))
        };
        let opened = Image::open(path);
        let found = !matches!(opened, Err(OpenError::Missing));
        let refused = match &opened {
            Err(OpenError::Missing) => Some(Reason::Missing),
            Err(OpenError::NotElf) => Some(Reason::NotElf),
            Ok(image) if !expected_build_id.is_empty() && image.build_id != expected_build_id => {
                Some(Reason::Changed)
            }
            Ok(_) => None,
        };
        let Some(reason) = refused else {
            let image = opened.expect("an image that was not refused");
            let debug =
                locate::find_debug_file(&image, path, folders).or_else(|| given(&image.build_id));
            return Self::from_files(image, path, debug, folders);
        };
        // The file of then is gone, but what was stripped from it may still be there.
        let left = locate::find_by_build_id(expected_build_id, folders)
            .or_else(|| given(expected_build_id));
        match left {
            Some((debug, debug_path)) => {
                Self { found, ..Self::from_files(debug, &debug_path, None, folders) }
            }
            None => Self {
                found,
                reason,
                image: None,
                has_symbols: false,
                symtab: SymbolTable::default(),
                dynsym: SymbolTable::default(),
                debug_info: None,
                paths: Vec::new(),
                demangled: HashMap::new(),
            },
        }
    }

    fn from_files(
        image: Image,
        path: &Path,
        debug: Option<(Image, PathBuf)>,
        folders: &[PathBuf],
    ) -> Self {
        let mut symtab = SymbolTable::from_symtab(&image);
        let mut paths = vec![path.to_owned()];
        let mut debug_info = open_debug_info(&image, &[path], folders, &mut paths);
        if let Some((debug, debug_path)) = debug {
            paths.push(debug_path.clone());
            if symtab.is_empty() {
                symtab = SymbolTable::from_symtab(&debug);
            }
            if debug_info.is_none() {
                debug_info = open_debug_info(&debug, &[&debug_path, path], folders, &mut paths);
            }
        }
        let has_symbols = !symtab.is_empty();
        // What is exported is in .symtab as well; where there is one, a nearest export would only guess.
        let mut dynsym = SymbolTable::default();
        if !has_symbols {
            dynsym = SymbolTable::from_dynsym(&image);
            // MiniDebugInfo holds what is not exported, and only that.
            if let Some(mini) = image.mini_debug_file() {
                symtab = SymbolTable::from_symtab(&mini);
            }
        }
        let is_bare = symtab.is_empty() && dynsym.is_empty() && debug_info.is_none();
        Self {
            found: true,
            reason: if is_bare { Reason::NoSymbols } else { Reason::Ok },
            image: Some(image),
            has_symbols,
            symtab,
            dynsym,
            debug_info,
            paths,
            demangled: HashMap::new(),
        }
    }

    /// The files that the answers so far come from. Empty where that is not all: without debug info
    /// any debug file that turns up later would tell more.
    pub fn sources(&self) -> Vec<PathBuf> {
        let Some(debug_info) = &self.debug_info else { return Vec::new() };
        if debug_info.split().looked_for_files() {
            return Vec::new();
        }
        let package = debug_info.split().package_path().map(Path::to_owned);
        self.paths.iter().cloned().chain(package).collect()
    }

    pub fn has_debug_info(&self) -> bool {
        self.debug_info.is_some()
    }

    /// Always at least one frame; of quality None its fields are all unknown.
    pub fn resolve(&mut self, address: u64) -> Resolved {
        let Some(section) = self.image.as_ref().and_then(|image| image.code_section(address))
        else {
            return Resolved::unknown();
        };
        let mut quality = Quality::Symbol;
        let symbol =
            self.symtab.containing(address).or_else(|| self.dynsym.containing(address)).or_else(
                || {
                    quality = Quality::NearestExport;
                    self.dynsym.nearest(address, section)
                },
            );
        let symbol_offset = symbol.as_ref().map_or(0, |found| found.offset);
        let symbol_name = symbol.map(|found| found.name);
        let debug_frames = self
            .debug_info
            .as_ref()
            .map(|debug_info| debug_info.frames(address))
            .unwrap_or_default();
        let Some(outermost) = debug_frames.len().checked_sub(1) else {
            let name = symbol_name.map(|name| demangle_once(&mut self.demangled, name));
            return Resolved {
                quality: if name.is_some() { quality } else { Quality::None },
                frames: vec![NamedFrame { function: name, ..NamedFrame::default() }],
                symbol_offset,
            };
        };
        // A nearest export is a guess; beside debug info it has no place.
        let symbol_name = symbol_name.filter(|_| quality == Quality::Symbol);
        let demangled = &mut self.demangled;
        let frames = debug_frames.into_iter().enumerate().map(|(index, frame)| {
            let own = frame.function.as_deref().map(str::as_bytes);
            let name = match index == outermost {
                true => more_telling(own, symbol_name),
                false => own,
            };
            NamedFrame {
                function: name.map(|name| demangle_once(demangled, name)),
                file: frame.file,
                line: frame.line,
                column: frame.column,
                inlined: index != outermost,
            }
        });
        Resolved {
            frames: frames.collect(),
            quality: Quality::DebugInfo,
            symbol_offset: symbol_name.map_or(0, |_| symbol_offset),
        }
    }
}

/// A DW_AT_name is the last word only ("push_back"), where the symbol has the whole of it.
fn more_telling<'a>(
    debug_name: Option<&'a [u8]>,
    symbol_name: Option<&'a [u8]>,
) -> Option<&'a [u8]> {
    let mangled = |name: &[u8]| std::str::from_utf8(name).is_ok_and(is_mangled);
    match (debug_name, symbol_name) {
        (Some(debug), Some(symbol)) if !mangled(debug) && mangled(symbol) => Some(symbol),
        (Some(debug), _) => Some(debug),
        (None, symbol) => symbol,
    }
}

/// `beside`: the image's path, and the program's when that is another. Adds to `read` what else it reads.
fn open_debug_info(
    image: &Image,
    beside: &[&Path],
    folders: &[PathBuf],
    read: &mut Vec<PathBuf>,
) -> Option<DebugInfo> {
    let shared = locate::find_alt_file(image, beside.first()?, folders);
    let debug_info = DebugInfo::open(image, beside, shared.as_ref().map(|(image, _)| image))?;
    read.extend(shared.map(|(_, path)| path));
    Some(debug_info)
}

fn demangle_once(known: &mut HashMap<Vec<u8>, String>, name: &[u8]) -> String {
    if let Some(clear) = known.get(name) {
        return clear.clone();
    }
    let clear = demangle(name);
    known.insert(name.to_vec(), clear.clone());
    clear
}
