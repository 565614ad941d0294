//! Rule `layout`: the picture of the segment and its const asserts name the same offsets.
//!
//! The picture is in the `//!` header: lines that start (after any frame) with `0xHHHH`. The asserts
//! are `offset_of!(Type, field) == 0xHHHH`, each of which must be drawn. What is drawn may also be
//! held by another assert, such as `size_of::<Type>() == 0xHHHH` for the end of a block. The name of
//! a constant may stand for its value.

use std::collections::BTreeMap;

use super::Finding;
use super::source::Source;

const RULE: &str = "layout";

/// The file, or the folder it becomes when it grows.
const SCOPE: &[&str] = &["crates/shm/src/layout.rs", "crates/shm/src/layout"];

/// Checks the layout file; quiet as long as it has no picture.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let in_scope = sources.iter().filter(|source| source.is_below(SCOPE));
    in_scope.flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let picture: BTreeMap<u64, usize> = source
        .numbered()
        .filter_map(|(line, text)| Some((drawn(&text.comment)?, line)))
        .collect();
    if picture.is_empty() {
        return Vec::new();
    }
    let code = Code::of(source);
    let offsets = code.compared("offset_of!(");
    let asserts = code.compared("assert!(");
    let undrawn = offsets
        .iter()
        .filter(|(value, _)| !picture.contains_key(value));
    let unproven = picture
        .iter()
        .filter(|(value, _)| !asserts.contains_key(value));
    let finding = |line, advice| Finding {
        path: source.path.clone(),
        line,
        rule: RULE,
        advice,
    };
    undrawn
        .map(|(value, &line)| finding(line, format!("draw {value:#06x} in the `//!` picture")))
        .chain(unproven.map(|(value, &line)| {
            finding(
                line,
                format!("assert it: `assert!(offset_of!(…) == {value:#06x})`"),
            )
        }))
        .collect()
}

/// The offset that a line of the picture starts with.
fn drawn(comment: &str) -> Option<u64> {
    let text = comment.strip_prefix("//!")?;
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    text.starts_with("0x").then(|| number(&text[..end]))?
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

    /// The values to which what starts with `marker` is compared by `==`, with their lines.
    fn compared(&self, marker: &str) -> BTreeMap<u64, usize> {
        let value_of = |at: usize| {
            let (expression, rest) = self.text[at..].split_once("==")?;
            let is_one = !expression.contains([';', '{', ']']);
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
            let operand = &rest[..end];
            is_one.then(|| number(operand).or_else(|| self.constant(operand)))?
        };
        let line_of = |at: usize| self.starts.partition_point(|&start| start <= at);
        self.text
            .match_indices(marker)
            .filter_map(|(at, _)| Some((value_of(at)?, line_of(at))))
            .collect()
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
                "crates/shm/src/layout.rs:10: layout: draw 0x0048 in the `//!` picture",
                "crates/shm/src/layout.rs:5: layout: assert it: `assert!(offset_of!(…) == 0x0040)`",
            ]
        );
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
