//! Split DWARF: the program holds a skeleton (addresses and lines), and the functions lie in a .dwo
//! file for each object, or in one .dwp package of them all.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;

use addr2line::SplitDwarfLoad;
use gimli::{Dwarf, DwarfPackage, SectionId};
use typed_arena::Arena;

use super::dwarf::{is_too_deep, Sections};
use super::image::Image;
use super::metered::{Meter, Metered};

const OF_FILE: [SectionId; 5] = [
    SectionId::DebugAbbrev,
    SectionId::DebugInfo,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
];

/// Also what no name needs: the index speaks of all of them, and gimli takes a place outside of a
/// section for damage.
const OF_PACKAGE: [SectionId; 13] = [
    SectionId::DebugAbbrev,
    SectionId::DebugCuIndex,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLoc,
    SectionId::DebugLocLists,
    SectionId::DebugMacinfo,
    SectionId::DebugMacro,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
    SectionId::DebugTuIndex,
    SectionId::DebugTypes,
];

/// Of all .dwo files of one module together.
const MOST_LOADED_BYTES: usize = 4 << 30;

pub type OpenPackage<'a> = DwarfPackage<Metered<'a>>;

/// Owns the sections of split files for as long as their module is open.
pub struct SplitFiles {
    /// The folders of the skeleton and of the program that it is of.
    folders: Vec<PathBuf>,
    package: Option<(PathBuf, Sections)>,
    loaded: Arena<Sections>,
    loaded_bytes: AtomicUsize,
    looked_for_files: AtomicBool,
}

impl SplitFiles {
    /// `paths`: the file with the skeleton; the program, if that is another.
    pub fn beside(paths: &[&Path]) -> Self {
        let folders = paths.iter().filter_map(|path| path.parent()).map(Path::to_owned);
        Self {
            folders: folders.collect(),
            package: paths.iter().find_map(|path| find_package(path)),
            loaded: Arena::new(),
            loaded_bytes: AtomicUsize::new(0),
            looked_for_files: AtomicBool::new(false),
        }
    }

    pub fn package_path(&self) -> Option<&Path> {
        self.package.as_ref().map(|(path, _)| path.as_path())
    }

    /// Whether answers hang on .dwo files, or on their absence.
    pub fn looked_for_files(&self) -> bool {
        self.looked_for_files.load(Ordering::Relaxed)
    }

    pub fn open_package<'a>(&'a self, meter: &'a Meter) -> Option<OpenPackage<'a>> {
        let (_, sections) = self.package.as_ref()?;
        meter.allow_bytes(sections.size_bytes());
        let reader = |id| Ok::<_, gimli::Error>(sections.reader(id, meter));
        DwarfPackage::load(reader, Metered::new(&[], meter)).ok()
    }

    /// None: not found, or not the file that the skeleton was made with.
    pub fn load<'a>(
        &'a self,
        wanted: &SplitDwarfLoad<Metered<'a>>,
        package: Option<&OpenPackage<'a>>,
        meter: &'a Meter,
    ) -> Option<Arc<Dwarf<Metered<'a>>>> {
        let packed =
            package.and_then(|package| package.find_cu(wanted.dwo_id, &wanted.parent).ok());
        let dwarf = match packed.flatten() {
            Some(dwarf) => dwarf,
            None => self.load_file(wanted, meter)?,
        };
        (!is_too_deep(&dwarf)).then(|| Arc::new(dwarf))
    }

    fn load_file<'a>(
        &'a self,
        wanted: &SplitDwarfLoad<Metered<'a>>,
        meter: &'a Meter,
    ) -> Option<Dwarf<Metered<'a>>> {
        self.looked_for_files.store(true, Ordering::Relaxed);
        let name = path_of(wanted.path?)?;
        let folder = wanted.comp_dir.and_then(path_of).unwrap_or_default();
        // Where it was compiled; else beside the program, for one that was moved with its .dwo files.
        let mut places = vec![folder.join(&name)];
        for beside in &self.folders {
            places.extend(name.is_relative().then(|| beside.join(&name)));
            places.extend(name.file_name().map(|name| beside.join(name)));
        }
        places.into_iter().find_map(|place| self.open_file(&place, wanted, meter))
    }

    fn open_file<'a>(
        &'a self,
        place: &Path,
        wanted: &SplitDwarfLoad<Metered<'a>>,
        meter: &'a Meter,
    ) -> Option<Dwarf<Metered<'a>>> {
        let sections = read_split(&OF_FILE, &Image::open(place).ok()?);
        let loaded = self.loaded_bytes.fetch_add(sections.size_bytes(), Ordering::Relaxed);
        if loaded + sections.size_bytes() > MOST_LOADED_BYTES {
            return None;
        }
        let sections = self.loaded.alloc(sections);
        meter.allow_bytes(sections.size_bytes());
        let reader = |id| Ok::<_, gimli::Error>(sections.reader(id, meter));
        let mut dwarf = Dwarf::load(reader).ok()?;
        let header = dwarf.units().next().ok()??;
        let unit = dwarf.unit(header).ok()?;
        if unit.dwo_id != Some(wanted.dwo_id) {
            return None;
        }
        dwarf.make_dwo(&wanted.parent);
        Some(dwarf)
    }
}

/// <program>.dwp, also for a program that a symbolic link leads to.
fn find_package(path: &Path) -> Option<(PathBuf, Sections)> {
    let real = std::fs::canonicalize(path).ok();
    let names = [Some(path.to_owned()), real];
    names.into_iter().flatten().find_map(|path| {
        let mut name = path.into_os_string();
        name.push(".dwp");
        let image = Image::open(Path::new(&name)).ok()?;
        let sections = image.has_debug_info().then(|| read_split(&OF_PACKAGE, &image))?;
        Some((name.into(), sections))
    })
}

fn read_split(wanted: &[SectionId], image: &Image) -> Sections {
    Sections::collect(wanted.iter().copied(), |id| Some(image.debug_section(id.dwo_name()?)))
}

fn path_of(text: Metered<'_>) -> Option<PathBuf> {
    let bytes = gimli::Reader::to_slice(&text).ok()?;
    // A NUL would be an error of the system call, an empty name a folder.
    let is_name = !bytes.is_empty() && !bytes.contains(&0);
    is_name.then(|| OsStr::from_bytes(&bytes).to_owned()).map(PathBuf::from)
}
