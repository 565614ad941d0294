//! Promise: every behaviour of the list of cases to keep, 1 to 46, is a test of this package that is named after it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// How many cases there are.
const CASES: u32 = 46;

/// Those that wait for what they are about. Whoever writes the test of one takes it off this list.
const MISSING: [u32; 6] = [8, 10, 23, 24, 25, 35];

/// The tests of this package that are named after a case, by its number.
fn tests_by_case() -> BTreeMap<u32, Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut found: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the tests of this package") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(path).expect("the source of a test");
        for name in text.lines().filter_map(test_name) {
            if let Some(number) = case_of(name) {
                found.entry(number).or_default().push(name.to_owned());
            }
        }
    }
    found
}

/// The name of the test that a line begins: `fn name()`, or `name => …` and `name […] …` in the macros of this package.
fn test_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("fn ").unwrap_or(line);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    let (name, rest) = rest.split_at(end);
    let begins = if line.starts_with("fn ") {
        rest.starts_with("()")
    } else {
        rest.starts_with(" => ") || rest.starts_with(" [")
    };
    begins.then_some(name)
}

/// The number in `case_07_…`.
fn case_of(name: &str) -> Option<u32> {
    let (digits, what) = name.strip_prefix("case_")?.split_once('_')?;
    (digits.len() == 2 && !what.is_empty())
        .then(|| digits.parse().ok())
        .flatten()
}

#[test]
fn names_are_found_in_both_forms() {
    let named = |line| test_name(line).and_then(case_of);
    assert_eq!(named("fn case_46_another_version_is_refused() {"), Some(46));
    assert_eq!(
        named("    case_07_a_full_lane => |way| victim!(way, \"x\").passes();"),
        Some(7)
    );
    assert_eq!(
        named("    case_34_a_program [spawn, fork] |way| {"),
        Some(34)
    );
    assert_eq!(named("/// `case_30_a_thousand_pools` is one process"), None);
    assert_eq!(named("    case_7_short => |way|"), None);
    assert_eq!(named("fn helper(case_09_x: u8) {"), None);
}

#[test]
fn every_case_is_a_test() {
    let found = tests_by_case();
    let without: Vec<u32> = (1..=CASES)
        .filter(|case| !found.contains_key(case))
        .collect();
    assert_eq!(
        without, MISSING,
        "cases without a test, and those that are known to have none"
    );
    let beyond: Vec<_> = found.range(CASES + 1..).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}
