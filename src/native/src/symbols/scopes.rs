//! Namespaces and classes around functions that have no linkage name.
//!
//! Compilers give a mangled name to what the linker may see. A static or anonymous function that
//! was inlined everywhere has only its last word, so the words before it come from its parents.

use std::collections::HashMap;
use std::sync::Arc;

use gimli::{AttributeValue, DebuggingInformationEntry, Reader, UnitOffset, UnitRef};

use super::metered::{Meter, Metered};

/// Names of scopes beyond this are not written by people.
const LONGEST_SCOPE_BYTES: usize = 4096;
/// abstract_origin, then specification: two in healthy files. In damaged ones they may circle.
const LONGEST_CHAIN: usize = 8;

/// Of one unit: the scope of each subprogram DIE that has one and no linkage name.
#[derive(Default)]
pub struct Scopes(HashMap<usize, Arc<str>>);

impl Scopes {
    /// As far as the unit can be read.
    pub fn read(unit: UnitRef<'_, Metered<'_>>, meter: &Meter) -> Self {
        let mut scopes = Self::default();
        let mut cursor = unit.entries();
        let mut path: Arc<str> = "".into();
        // The scopes that are open: their depth, and the path outside of them.
        let mut open: Vec<(isize, Arc<str>)> = Vec::new();
        while let Ok(Some(entry)) = cursor.next_dfs() {
            while let Some((_, outside)) = open.pop_if(|(depth, _)| *depth >= entry.depth()) {
                path = outside;
            }
            match entry.tag() {
                gimli::DW_TAG_namespace
                | gimli::DW_TAG_class_type
                | gimli::DW_TAG_structure_type
                | gimli::DW_TAG_union_type => {
                    let anonymous = match entry.tag() {
                        gimli::DW_TAG_namespace => "(anonymous namespace)",
                        _ => "(anonymous class)",
                    };
                    let name = name_of(unit, entry);
                    let name = name.as_deref().unwrap_or(anonymous);
                    open.push((entry.depth(), path.clone()));
                    // Each is a copy of all names around it.
                    if path.len() + name.len() <= LONGEST_SCOPE_BYTES
                        && meter.charge(path.len() + name.len()).is_ok()
                    {
                        path = format!("{path}{name}::").into();
                    }
                }
                gimli::DW_TAG_subprogram
                    if !path.is_empty()
                        && entry.attr_value(gimli::DW_AT_linkage_name).is_none() =>
                {
                    scopes.0.insert(entry.offset().0, path.clone());
                }
                _ => {}
            }
        }
        scopes
    }

    /// "shop::hidden::" for a (perhaps inlined) function, by way of what it is an instance of.
    pub fn scope_of(
        &self,
        unit: UnitRef<'_, Metered<'_>>,
        mut offset: UnitOffset<usize>,
    ) -> Option<Arc<str>> {
        for _ in 0..LONGEST_CHAIN {
            let entry = unit.entry(offset).ok()?;
            let declared_by = entry
                .attr_value(gimli::DW_AT_abstract_origin)
                .or_else(|| entry.attr_value(gimli::DW_AT_specification));
            match declared_by {
                Some(AttributeValue::UnitRef(next)) => offset = next,
                // In another unit (link-time optimization): not known here.
                Some(_) => return None,
                None => return self.0.get(&offset.0).cloned(),
            }
        }
        None
    }
}

fn name_of<'a>(
    unit: UnitRef<'_, Metered<'a>>,
    entry: &DebuggingInformationEntry<Metered<'a>>,
) -> Option<String> {
    let name = unit.attr_string(entry.attr_value(gimli::DW_AT_name)?).ok()?;
    Some(name.to_string_lossy().ok()?.into_owned())
}
