//! Rule `layout`: the picture of shared memory and its const asserts name the same offsets.
//!
//! The picture is in the `//!` header: lines that start (after any frame) with `0xHHHH`. The asserts
//! are `offset_of!(Type, field) == 0xHHHH`, or a line `Type.field == 0xHHHH` of a macro that makes
//! such asserts; for each there is a drawn line that starts with the offset and names the field. What
//! is drawn may also be held by another assert, such as `size_of::<Type>() == 0xHHHH` for the end of a
//! block; only what the picture says is `unused` needs none. The name of a constant may stand for its
//! value.

use super::Finding;
use super::source::{Source, has_word};

const RULE: &str = "layout";

/// Files that draw what they assert, and the folders of such.
const SCOPE: &[&str] = &[
    "crates/shm/src/layout.rs",
    "crates/shm/src/layout",
    "crates/shm/src/first/slot.rs",
];

/// Checks the files that draw; quiet where there is no picture.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let in_scope = sources.iter().filter(|source| source.is_below(SCOPE));
    in_scope.flat_map(check_source).collect()
}

/// A line of the picture.
struct Drawn<'a> {
    offset: u64,
    line: usize,
    text: &'a str,
}

/// Something that code asserts.
struct Asserted {
    value: u64,
    line: usize,
    /// The field whose offset it is, if it is one.
    field: Option<String>,
}

fn check_source(source: &Source) -> Vec<Finding> {
    let picture: Vec<Drawn<'_>> = source
        .numbered()
        .filter_map(|(line, text)| {
            let (offset, text) = drawn(&text.comment)?;
            Some(Drawn { offset, line, text })
        })
        .collect();
    if picture.is_empty() {
        return Vec::new();
    }
    let mut asserted = Code::of(source).compared("assert!(");
    asserted.extend(listed(source));
    let finding = |line, advice| Finding {
        path: source.path.clone(),
        line,
        rule: RULE,
        advice,
    };
    let mut findings = Vec::new();
    for Asserted { value, line, field } in &asserted {
        let Some(field) = field else { continue };
        let shows = |drawn: &Drawn<'_>| drawn.offset == *value && has_word(drawn.text, field);
        if !picture.iter().any(shows) {
            let advice = format!("draw `{field}` at {value:#06x} in the `//!` picture");
            findings.push(finding(*line, advice));
        }
    }
    for Drawn { offset, line, text } in &picture {
        let proven = asserted.iter().any(|assert| assert.value == *offset);
        if !proven && !has_word(text, "unused") {
            let advice = format!("assert it: `assert!(offset_of!(…) == {offset:#06x})`");
            findings.push(finding(*line, advice));
        }
    }
    findings
}

/// The offset that a line of the picture starts with, and what it says of it.
fn drawn(comment: &str) -> Option<(u64, &str)> {
    let text = comment.strip_prefix("//!")?;
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_end = |c: char| !c.is_alphanumeric() && c != '_';
    let (offset, rest) = text.split_at(text.find(is_end).unwrap_or(text.len()));
    let offset = offset.starts_with("0x").then(|| number(offset))??;
    Some((offset, rest))
}

/// The lines `Type.field == 0xHHHH`.
fn listed(source: &Source) -> impl Iterator<Item = Asserted> {
    source.numbered().filter_map(|(line, text)| {
        let (path, value) = text.code.trim().split_once(" == ")?;
        let is_path = path.starts_with(char::is_uppercase)
            && path.contains('.')
            && path
                .chars()
                .all(|c| c.is_alphanumeric() || "._".contains(c));
        let field = is_path.then(|| field_of(path))?;
        Some(Asserted {
            value: number(value)?,
            line,
            field,
        })
    })
}

/// The last part of a path of fields, without the underscore of what is not used.
fn field_of(path: &str) -> Option<String> {
    let last = path.rsplit(['.', ',']).next()?;
    Some(last.trim_start_matches('_').to_owned())
}

fn number(text: &str) -> Option<u64> {
    let digits = text.replace('_', "");
    let digits = digits.trim_end_matches("usize").trim_end_matches("u64");
    match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

/// A file's code as one text without spaces, so that rustfmt's line breaks do not matter.
struct Code {
    text: String,
    /// Where in `text` each line starts.
    starts: Vec<usize>,
}

impl Code {
    fn of(source: &Source) -> Self {
        let mut text = String::new();
        let mut starts = Vec::new();
        for line in &source.lines {
            starts.push(text.len());
            text.extend(line.code.chars().filter(|c| !c.is_whitespace()));
        }
        Self { text, starts }
    }

    /// What is compared by `==` behind each `marker`.
    fn compared(&self, marker: &str) -> Vec<Asserted> {
        let assert_at = |at: usize| {
            let (expression, rest) = self.text[at + marker.len()..].split_once("==")?;
            if expression.contains([';', '{', ']']) {
                return None;
            }
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
            let operand = &rest[..end];
            let offset = expression.strip_prefix("offset_of!(");
            let path = offset.and_then(|path| path.strip_suffix(')'));
            Some(Asserted {
                value: number(operand).or_else(|| self.constant(operand))?,
                line: self.starts.partition_point(|&start| start <= at),
                // A sum of offsets is the offset of no one field.
                field: path.filter(|path| !path.contains(')')).and_then(field_of),
            })
        };
        let found = self.text.match_indices(marker);
        found.filter_map(|(at, _)| assert_at(at)).collect()
    }

    /// The value of `const NAME: … = literal;`.
    fn constant(&self, name: &str) -> Option<u64> {
        let (_, rest) = self.text.split_once(&format!("const{name}:"))?;
        let (_, value) = rest.split_once(';')?.0.split_once('=')?;
        number(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: &str = "//! Layout.\n//!\n//! ```text\n//! │ 0x0000  magic  │\n\
                           //!  0x0040  stop flag\n//!  0x0080  end\n//! ```\n//! 0 is not 0x99.\n";

    fn advice(asserts: &str) -> Vec<String> {
        let text = format!("{PICTURE}{asserts}");
        let findings = check(&[Source::parse("crates/shm/src/layout.rs", &text)]);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_picture_that_agrees_with_its_asserts_passes() {
        let good = "const STOP: usize = 0x40;\nconst _: () = {\n  assert!(offset_of!(H, magic) == 0);\n  \
                    assert!(\n    offset_of!(H, stop)\n      == STOP\n  );\n  \
                    assert!(size_of::<H>() == 0x80);\n};\n";
        assert_eq!(advice(good), [""; 0]);
    }

    #[test]
    fn what_only_one_of_them_names_is_found() {
        let bad = "assert!(offset_of!(H, magic) == 0x0);\nassert!(offset_of!(H, stop) == 0x48);\n\
                   assert!(size_of::<H>() == 0x80);\n";
        assert_eq!(
            advice(bad),
            [
                "crates/shm/src/layout.rs:10: layout: draw `stop` at 0x0048 in the `//!` picture",
                "crates/shm/src/layout.rs:5: layout: assert it: `assert!(offset_of!(…) == 0x0040)`",
            ]
        );
    }

    #[test]
    fn a_field_that_another_line_names_is_found() {
        let swapped = "assert!(offset_of!(H, stop) == 0x0);\nassert!(offset_of!(H, magic) == 0x40);\n\
                       assert!(size_of::<H>() == 0x80);\n";
        assert_eq!(
            advice(swapped),
            [
                "crates/shm/src/layout.rs:9: layout: draw `stop` at 0x0000 in the `//!` picture",
                "crates/shm/src/layout.rs:10: layout: draw `magic` at 0x0040 in the `//!` picture",
            ]
        );
    }

    #[test]
    fn lines_of_a_list_are_asserts_and_sums_are_of_no_field() {
        let good = "numbers! {\n    Page.head.magic == 0x0000\n    Page._stop == 0x0040\n}\n\
                    assert!(offset_of!(Page, _stop) + size_of::<F>() == 0x80);\n";
        assert_eq!(advice(good), [""; 0]);
        let bad = good.replace("Page._stop == 0x0040", "Page._stop == 0x0044");
        assert_eq!(advice(&bad).len(), 2);
    }

    #[test]
    fn what_is_unused_needs_no_assert_and_other_files_are_their_own_affair() {
        let text = "//! 0x0000 magic\n//! 0x0008 unused\nassert!(offset_of!(H, magic) == 0x0);\n";
        let of = |path: &str, text: &str| check(&[Source::parse(path, text)]).len();
        assert_eq!(of("crates/shm/src/layout/fields.rs", text), 0);
        let gap = text.replace("unused", "more");
        assert_eq!(of("crates/shm/src/first/slot.rs", &gap), 1);
        assert_eq!(of("crates/wire/src/lib.rs", &gap), 0);
    }

    /// The rule reads the real files as it is meant to: each asserted offset that is changed alone is
    /// found, and each drawn one.
    #[test]
    fn the_layout_that_is_there_is_read() {
        for path in ["layout.rs", "layout/fields.rs", "first/slot.rs"] {
            let path = format!("crates/shm/src/{path}");
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
            let text = std::fs::read_to_string(format!("{root}/{path}")).expect("a source");
            assert_eq!(check(&[Source::parse(&path, &text)]), []);
            let lines: Vec<&str> = text.lines().collect();
            let is_held = |line: &&str| {
                let names = ["offset_of!", "WorkerPage."];
                let asserts =
                    line.contains("== 0x") && names.iter().any(|name| line.contains(name));
                let draws = line.starts_with("//!  0x") && !line.contains("unused");
                asserts || (draws && line.contains("|  "))
            };
            let held = (0..lines.len()).filter(|at| is_held(&lines[*at]));
            for at in held {
                let mut changed = lines.clone();
                let line = changed[at].replacen("0x", "0x7", 1);
                changed[at] = &line;
                let source = Source::parse(&path, &changed.join("\n"));
                assert_ne!(check(&[source]), [], "{path}: {}", lines[at]);
            }
        }
    }

    #[test]
    fn without_a_picture_it_is_quiet() {
        let text = "//! Layout.\nassert!(offset_of!(H, magic) == 0x0);\n";
        assert_eq!(
            check(&[Source::parse("crates/shm/src/layout.rs", text)]),
            []
        );
    }
}
