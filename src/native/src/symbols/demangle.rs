//! Names as people wrote them. A name that cannot be demangled is given as it is.

use std::fmt;

use cpp_demangle::{BorrowedSymbol, DemangleOptions};

use super::guard::survive;

/// A few bytes of a mangled name can stand for gigabytes (each substitution doubles), and parsing
/// backtracks: both ends are bounded.
const LONGEST_MANGLED_BYTES: usize = 16 << 10;
const LONGEST_DEMANGLED_BYTES: usize = 64 << 10;

pub fn demangle(raw: &[u8]) -> String {
    let raw = String::from_utf8_lossy(raw);
    if raw.len() > LONGEST_MANGLED_BYTES || !is_mangled(&raw) {
        return raw.into_owned();
    }
    // Parsers of other people, given hostile bytes.
    let clear = survive(|| demangle_rust(&raw).or_else(|| demangle_cpp(&raw)));
    clear.flatten().unwrap_or_else(|| raw.into_owned())
}

pub fn is_mangled(name: &str) -> bool {
    ["_Z", "_R", "__Z", "___Z", "_GLOBAL_"].iter().any(|prefix| name.starts_with(prefix))
}

fn demangle_rust(raw: &str) -> Option<String> {
    if !raw.starts_with("_R") && !has_legacy_hash(raw) {
        return None;
    }
    let mut out = Bounded(String::new());
    // The alternate form leaves the hash away.
    fmt::write(&mut out, format_args!("{:#}", rustc_demangle::try_demangle(raw).ok()?)).ok()?;
    Some(out.0)
}

/// Old Rust names look like C++ but end in "17h" and 16 hex digits (and perhaps ".llvm.123").
fn has_legacy_hash(raw: &str) -> bool {
    let name = raw.split('.').next().unwrap_or_default();
    let Some(name) = raw.starts_with("_ZN").then_some(name).and_then(|name| name.strip_suffix('E'))
    else {
        return false;
    };
    let Some(at) = name.len().checked_sub(19) else { return false };
    let hash = name.get(at..).and_then(|end| end.strip_prefix("17h"));
    hash.is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn demangle_cpp(raw: &str) -> Option<String> {
    match split_thunk(raw) {
        // cpp_demangle writes these as "{virtual override thunk({offset(-120)}, f())}".
        Some((kind, target)) => Some(format!("{kind} thunk to {}", demangle_plain(&target)?)),
        None => demangle_plain(raw),
    }
}

/// "_ZThn120_N1A1fEv" and "_ZTv0_n24_N1A1fEv": the kind, and the name of the function behind it.
fn split_thunk(raw: &str) -> Option<(&'static str, String)> {
    let offset = |text: &mut &str| -> Option<()> {
        let (number, rest) = text.split_once('_')?;
        let digits = number.strip_prefix('n').unwrap_or(number);
        *text = rest;
        (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(())
    };
    if let Some(mut rest) = raw.strip_prefix("_ZTh") {
        offset(&mut rest)?;
        return Some(("non-virtual", format!("_Z{rest}")));
    }
    let mut rest = raw.strip_prefix("_ZTv")?;
    offset(&mut rest)?;
    offset(&mut rest)?;
    Some(("virtual", format!("_Z{rest}")))
}

fn demangle_plain(raw: &str) -> Option<String> {
    let (symbol, rest) = BorrowedSymbol::with_tail(raw.as_bytes()).ok()?;
    // "foo(int)" for "_Z3fooi@plt" would hide a part of the name.
    if !rest.is_empty() {
        return None;
    }
    let mut out = Bounded(String::new());
    symbol
        .structured_demangle(&mut out, &DemangleOptions::new().hide_expression_literal_types())
        .ok()?;
    Some(without_empty_packs(&out.0))
}

/// cpp_demangle 0.5 writes an empty parameter pack as if it had a member: "f<int, >(&&)".
/// A reference without a type before it is nothing that C++ can say: "(&)" of a reference to a
/// function or an array follows a space.
fn without_empty_packs(name: &str) -> String {
    let mut clear = name.replace(", >", ">");
    for reference in ["&&", "&"] {
        clear = clear.replace(&format!(", {reference})"), ")");
        let alone = format!("({reference})");
        let mut from = 0;
        while let Some(at) = clear[from..].find(&alone).map(|at| at + from) {
            if at > 0 && clear.as_bytes()[at - 1] != b' ' {
                clear.replace_range(at + 1..at + 1 + reference.len(), "");
            }
            from = at + 1;
        }
    }
    clear
}

struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > LONGEST_DEMANGLED_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clear(raw: &str) -> String {
        demangle(raw.as_bytes())
    }

    #[test]
    fn cpp_names_keep_their_parameters() {
        assert_eq!(clear("_ZN2v88internal7Isolate4InitEv"), "v8::internal::Isolate::Init()");
        assert_eq!(clear("_Znwm"), "operator new(unsigned long)");
        assert_eq!(clear("_ZN3FooC2Ei"), "Foo::Foo(int)");
    }

    #[test]
    fn an_empty_parameter_pack_leaves_no_trace() {
        assert_eq!(clear("_Z1fI1AJEEDaDpOT0_"), "auto f<A>()");
        assert_eq!(clear("_Z1fI1AJEEvT_DpOT0_"), "void f<A>(A)");
        assert_eq!(clear("_Z1fRA3_i"), "f(int (&) [3])");
    }

    #[test]
    fn thunks_are_told_as_binutils_does() {
        assert_eq!(clear("_ZThn120_N1A1fEv"), "non-virtual thunk to A::f()");
        assert_eq!(clear("_ZTv0_n24_N1A1fEv"), "virtual thunk to A::f()");
    }

    #[test]
    fn rust_names_lose_their_hash() {
        assert_eq!(clear("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
        assert_eq!(clear("_ZN4core3fmt5write17h0123456789abcdefE.llvm.42"), "core::fmt::write");
        assert_eq!(clear("_RNvC6_123foo3bar"), "123foo::bar");
    }

    #[test]
    fn a_cpp_namespace_is_not_taken_for_rust() {
        assert_eq!(clear("_ZN3foo3barE"), "foo::bar");
    }

    #[test]
    fn other_names_stay_as_they_are() {
        for name in ["main", "malloc", "_start", "Builtins_ArrayMap", "_Z", "_Zfoo", "", "_R"] {
            assert_eq!(clear(name), name);
        }
    }

    #[test]
    fn a_name_that_would_explode_stays_mangled() {
        // Each pair takes the whole type before it twice: 2^60 names.
        let mut name = String::from("_Z1fSt4pairIiiE");
        for step in 0..60 {
            let last = match step {
                0 => "S0_".to_owned(),
                step => format!("S{}_", base36(step)),
            };
            name.push_str(&format!("St4pairI{last}{last}E"));
        }
        assert!(clear(&name).len() <= LONGEST_DEMANGLED_BYTES);
    }

    fn base36(number: u32) -> String {
        let digit = |value: u32| char::from_digit(value, 36).unwrap().to_ascii_uppercase();
        match number {
            0..36 => digit(number).to_string(),
            _ => format!("{}{}", digit(number / 36), digit(number % 36)),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_bounded_name(prefix in "(_Z|_ZN|_R|_RNv|)", rest: Vec<u8>) {
            let raw = [prefix.as_bytes(), &rest].concat();
            prop_assert!(demangle(&raw).len() <= LONGEST_DEMANGLED_BYTES);
        }

        #[test]
        fn almost_real_names_give_a_bounded_name(rest in "(_Z|_R)([NISKPRTCDELZ]|St|S_|S0_|T_|[0-9]{1,2}|[a-z]|E|_){0,80}") {
            prop_assert!(clear(&rest).len() <= LONGEST_DEMANGLED_BYTES);
        }
    }
}
