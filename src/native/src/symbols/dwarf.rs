//! Functions, files, lines and inlined frames from DWARF.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use addr2line::{Context, LookupContinuation, LookupResult};
use gimli::{Dwarf, SectionId, UnitHeader, UnitOffset};
use self_cell::self_cell;

use super::bytes::Bytes;
use super::demangle::is_mangled;
use super::guard::survive;
use super::image::Image;
use super::metered::{Meter, Metered, WORK_PER_ADDRESS};
use super::scopes::Scopes;
use super::split::{OpenPackage, SplitFiles};

/// What names need; types, variables and macros do not.
const WANTED: [SectionId; 10] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
];

/// addr2line reads nested inlined functions by recursion. A level takes at least a byte of its unit
/// and some 500 bytes of stack, so only units beyond this can exhaust the stack of a symbolizer.
const SHALLOW_UNIT_BYTES: usize = 200_000;
const DEEPEST_TREE: isize = 100_000;
/// People do not inline deeper. Beyond it the file is damaged, and each address would have as many.
const MOST_FRAMES: usize = 1_000;
/// What a symbolizer keeps of one file. Real sections that names need stay below 3 GiB (Chromium).
const MOST_SECTION_BYTES: usize = 4 << 30;

/// The sections of one file.
#[derive(Default)]
pub struct Sections(Vec<(SectionId, Bytes)>);

impl Sections {
    fn read(image: &Image) -> Self {
        Self::collect(WANTED, |id| Some(image.debug_section(id.name())))
    }

    pub fn collect(
        wanted: impl IntoIterator<Item = SectionId>,
        mut read: impl FnMut(SectionId) -> Option<Bytes>,
    ) -> Self {
        let mut sections = Self::default();
        for id in wanted {
            let bytes = read(id).unwrap_or_default();
            if sections.size_bytes() + bytes.len() > MOST_SECTION_BYTES {
                return Self::default();
            }
            sections.0.push((id, bytes));
        }
        sections
    }

    pub fn size_bytes(&self) -> usize {
        self.0.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    pub fn reader<'a>(&'a self, wanted: SectionId, meter: &'a Meter) -> Metered<'a> {
        let found = self.0.iter().find(|(id, _)| *id == wanted);
        Metered::new(found.map_or(&[], |(_, bytes)| bytes), meter)
    }
}

struct Files {
    own: Sections,
    /// Of .gnu_debugaltlink.
    shared: Option<Sections>,
    split: SplitFiles,
    meter: Meter,
}

struct Reading<'a> {
    context: Context<Metered<'a>>,
    package: Option<OpenPackage<'a>>,
}

self_cell!(
    struct Parsed {
        owner: Files,
        #[not_covariant]
        dependent: Reading,
    }
);

pub struct DebugInfo {
    parsed: Parsed,
    /// By split file and the unit's place in .debug_info, read when first needed.
    scopes: RefCell<HashMap<(Option<u64>, usize), Scopes>>,
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
    /// None: no DWARF, or damaged beyond use. Split files lie beside one of `paths`.
    pub fn open(image: &Image, paths: &[&Path], shared: Option<&Image>) -> Option<Self> {
        if !image.has_debug_info() {
            return None;
        }
        let files = Files {
            own: Sections::read(image),
            shared: shared.map(Sections::read),
            split: SplitFiles::beside(paths),
            meter: Meter::default(),
        };
        files.meter.allow_bytes(
            files.own.size_bytes() + files.shared.as_ref().map_or(0, Sections::size_bytes),
        );
        let parsed = survive(|| Parsed::try_new(files, parse))?.ok()?;
        Some(Self { parsed, scopes: RefCell::default() })
    }

    pub fn split(&self) -> &SplitFiles {
        &self.parsed.borrow_owner().split
    }

    /// Innermost inlined frame first; the last is the function that the address is in. Empty when
    /// DWARF tells nothing about it, or when it is damaged.
    pub fn frames(&self, address: u64) -> Vec<DebugFrame> {
        let look_up = || {
            self.parsed.with_dependent(|files, reading| {
                files.meter.allow(WORK_PER_ADDRESS);
                self.look_up(files, reading, address)
            })
        };
        survive(look_up).and_then(Result::ok).unwrap_or_default()
    }

    fn look_up<'a>(
        &self,
        files: &'a Files,
        reading: &Reading<'a>,
        address: u64,
    ) -> gimli::Result<Vec<DebugFrame>> {
        let mut frames = Vec::new();
        let found = reading.context.find_frames(address);
        let mut found = with_split(found, files, reading)?;
        while let Some(frame) = found.next()? {
            if frames.len() == MOST_FRAMES {
                return Err(gimli::Error::TooManyIterations);
            }
            let mut known = DebugFrame::default();
            if let Some(function) = &frame.function {
                let name = function.raw_name()?;
                let scope = match function.language {
                    Some(language) if has_scopes(language) && !is_mangled(&name) => {
                        frame.dw_die_offset.and_then(|die| self.scope(files, reading, address, die))
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

    fn scope<'a>(
        &self,
        files: &'a Files,
        reading: &Reading<'a>,
        address: u64,
        die: UnitOffset,
    ) -> Option<Arc<str>> {
        let unit = with_split(reading.context.find_dwarf_and_unit(address), files, reading)?;
        let place = unit.header.offset().to_debug_info_offset(&unit.header)?.0;
        let split_file = unit.dwo_id.map(|id| id.0);
        let mut scopes = self.scopes.borrow_mut();
        scopes
            .entry((split_file, place))
            .or_insert_with(|| Scopes::read(unit, &files.meter))
            .scope_of(unit, die)
    }
}

fn parse(files: &Files) -> gimli::Result<Reading<'_>> {
    let meter = &files.meter;
    let mut dwarf = Dwarf::load(|id| Ok::<_, gimli::Error>(files.own.reader(id, meter)))?;
    if let Some(shared) = &files.shared {
        dwarf.load_sup(|id| Ok::<_, gimli::Error>(shared.reader(id, meter)))?;
    }
    if is_too_deep(&dwarf) {
        return Err(gimli::Error::TooManyIterations);
    }
    // Units of dwz share their abbreviations by the thousand.
    dwarf.populate_abbreviations_cache(gimli::AbbreviationsCacheStrategy::Duplicates);
    let package = files.split.open_package(meter);
    Ok(Reading { context: Context::from_dwarf(dwarf)?, package })
}

/// Goes on with what lies in split files, where they are found, and without it where not.
fn with_split<'a, L: LookupContinuation<Buf = Metered<'a>>>(
    mut found: LookupResult<L>,
    files: &'a Files,
    reading: &Reading<'a>,
) -> L::Output {
    loop {
        found = match found {
            LookupResult::Output(output) => return output,
            LookupResult::Load { load, continuation } => {
                continuation.resume(files.split.load(&load, reading.package.as_ref(), &files.meter))
            }
        };
    }
}

pub fn is_too_deep(dwarf: &Dwarf<Metered<'_>>) -> bool {
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

fn depth_exceeds(
    dwarf: &Dwarf<Metered<'_>>,
    header: &UnitHeader<Metered<'_>>,
) -> gimli::Result<bool> {
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
