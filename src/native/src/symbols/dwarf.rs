//! Functions, files, lines and inlined frames from DWARF.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use addr2line::Context;
use gimli::{Dwarf, EndianSlice, LittleEndian, SectionId, UnitHeader, UnitOffset};
use self_cell::self_cell;

use super::bytes::Bytes;
use super::demangle::is_mangled;
use super::image::Image;
use super::scopes::Scopes;

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type SliceContext<'a> = Context<Slice<'a>>;

const WANTED: [SectionId; 12] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugLoc,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugTypes,
];

/// addr2line reads nested inlined functions by recursion. A level takes at least a byte of its unit
/// and some 500 bytes of stack, so only units beyond this can exhaust the stack of a symbolizer.
const SHALLOW_UNIT_BYTES: usize = 200_000;
const DEEPEST_TREE: isize = 100_000;

/// The sections of one file.
#[derive(Default)]
struct Sections(Vec<(SectionId, Bytes)>);

impl Sections {
    fn read(image: &Image) -> Self {
        Self(WANTED.map(|id| (id, image.debug_section(id.name()))).into())
    }

    fn slice(&self, wanted: SectionId) -> Slice<'_> {
        let found = self.0.iter().find(|(id, _)| *id == wanted);
        EndianSlice::new(found.map_or(&[], |(_, bytes)| bytes), LittleEndian)
    }
}

struct Files {
    own: Sections,
    /// Of .gnu_debugaltlink.
    shared: Option<Sections>,
}

self_cell!(
    struct Parsed {
        owner: Files,
        #[not_covariant]
        dependent: SliceContext,
    }
);

pub struct DebugInfo {
    parsed: Parsed,
    /// By the unit's place in .debug_info, read when first needed.
    scopes: RefCell<HashMap<usize, Scopes>>,
}

#[derive(Debug, Default, Clone, PartialEq)]
pub struct DebugFrame {
    /// Mangled, or the DW_AT_name with its scope where that is known.
    pub function: Option<String>,
    pub file: Option<String>,
    pub line: u32,
    pub column: u32,
}

impl DebugInfo {
    /// None: no DWARF, or damaged beyond use.
    pub fn open(image: &Image, shared: Option<&Image>) -> Option<Self> {
        if !image.has_debug_info() {
            return None;
        }
        let files = Files { own: Sections::read(image), shared: shared.map(Sections::read) };
        let parse = || {
            Parsed::try_new(files, |files| {
                let mut dwarf = Dwarf::load(|id| Ok::<_, gimli::Error>(files.own.slice(id)))?;
                if let Some(shared) = &files.shared {
                    dwarf.load_sup(|id| Ok::<_, gimli::Error>(shared.slice(id)))?;
                }
                if is_too_deep(&dwarf) {
                    return Err(gimli::Error::TooManyIterations);
                }
                Context::from_dwarf(dwarf)
            })
        };
        catch_unwind(AssertUnwindSafe(parse))
            .ok()?
            .ok()
            .map(|parsed| Self { parsed, scopes: RefCell::default() })
    }

    /// Innermost inlined frame first; the last is the function that the address is in. Empty when
    /// DWARF tells nothing about it, or when it is damaged.
    pub fn frames(&self, address: u64) -> Vec<DebugFrame> {
        let look_up = || self.parsed.with_dependent(|_, context| self.look_up(context, address));
        catch_unwind(AssertUnwindSafe(look_up)).ok().and_then(Result::ok).unwrap_or_default()
    }

    fn look_up(&self, context: &SliceContext<'_>, address: u64) -> gimli::Result<Vec<DebugFrame>> {
        let mut frames = Vec::new();
        let mut found = context.find_frames(address).skip_all_loads()?;
        while let Some(frame) = found.next()? {
            let mut known = DebugFrame::default();
            if let Some(function) = &frame.function {
                let name = function.raw_name()?;
                let scope = match function.language {
                    Some(language) if has_scopes(language) && !is_mangled(&name) => {
                        frame.dw_die_offset.and_then(|die| self.scope(context, address, die))
                    }
                    _ => None,
                };
                known.function = Some(format!("{}{name}", scope.as_deref().unwrap_or_default()));
            }
            if let Some(location) = frame.location {
                known.file = location.file.map(str::to_owned);
                known.line = location.line.unwrap_or(0);
                known.column = location.column.unwrap_or(0);
            }
            frames.push(known);
        }
        let tells_nothing = frames.iter().all(|frame| frame.function.is_none() && frame.line == 0);
        Ok(if tells_nothing { Vec::new() } else { frames })
    }

    fn scope(&self, context: &SliceContext<'_>, address: u64, die: UnitOffset) -> Option<Arc<str>> {
        let unit = context.find_dwarf_and_unit(address).skip_all_loads()?;
        let place = unit.header.offset().to_debug_info_offset(&unit.header)?.0;
        let mut scopes = self.scopes.borrow_mut();
        scopes.entry(place).or_insert_with(|| Scopes::read(unit)).scope_of(unit, die)
    }
}

fn is_too_deep(dwarf: &Dwarf<Slice<'_>>) -> bool {
    let mut headers = dwarf.units();
    // What cannot be read here is not read by addr2line either.
    while let Ok(Some(header)) = headers.next() {
        if header.unit_length() > SHALLOW_UNIT_BYTES
            && depth_exceeds(dwarf, &header).unwrap_or(false)
        {
            return true;
        }
    }
    false
}

fn depth_exceeds(dwarf: &Dwarf<Slice<'_>>, header: &UnitHeader<Slice<'_>>) -> gimli::Result<bool> {
    let abbreviations = dwarf.abbreviations(header)?;
    let mut entries = header.entries_raw(&abbreviations, None)?;
    while !entries.is_empty() {
        if entries.next_depth() > DEEPEST_TREE {
            return Ok(true);
        }
        if let Some(abbreviation) = entries.read_abbreviation()? {
            entries.skip_attributes(abbreviation.attributes())?;
        }
    }
    Ok(false)
}

fn has_scopes(language: gimli::DwLang) -> bool {
    matches!(
        language,
        gimli::DW_LANG_C_plus_plus
            | gimli::DW_LANG_C_plus_plus_03
            | gimli::DW_LANG_C_plus_plus_11
            | gimli::DW_LANG_C_plus_plus_14
            | gimli::DW_LANG_C_plus_plus_17
            | gimli::DW_LANG_C_plus_plus_20
            | gimli::DW_LANG_Rust
    )
}
