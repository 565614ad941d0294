//! Rule `orderings`: each `Acquire` names the `Release` it pairs with.
//!
//! An acquire load means nothing by itself; the comment says which store publishes what it reads.
//! The words looked for are "pairs with", or "Release" together with a name in backticks or with
//! `::`, `_` or `()` in it. They stand on the line itself or at most [`REACH_LINES`] above.

use super::Finding;
use super::source::{Line, Source, words};

const RULE: &str = "orderings";

/// Packages with atomics that cross threads or processes.
const SCOPE: &[&str] = &["crates/os/src", "crates/shm/src", "crates/runtime/src"];

/// How far above the ordering its comment may stand.
const REACH_LINES: usize = 6;

const ORDERINGS: [&str; 2] = ["Acquire", "AcqRel"];

/// Checks every file in [`SCOPE`], test modules and `use` lines excepted.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let in_scope = sources.iter().filter(|source| source.is_below(SCOPE));
    in_scope.flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let imports = Imports::of(source);
    let mut findings = Vec::new();
    for (line, text) in source.numbered() {
        if text.is_test || imports.lines.contains(&line) {
            continue;
        }
        for ordering in ORDERINGS {
            if imports.names(&text.code, ordering) && !is_explained(&source.lines, line) {
                findings.push(Finding {
                    path: source.path.clone(),
                    line,
                    rule: RULE,
                    advice: format!(
                        "say which Release this {ordering} pairs with (`// {ordering}: pairs with \
                         the Release in …`), here or at most {REACH_LINES} lines above"
                    ),
                });
            }
        }
    }
    findings
}

/// Whether a comment on the line, or shortly above it, names the other side.
fn is_explained(lines: &[Line], line: usize) -> bool {
    let first = line.saturating_sub(1 + REACH_LINES);
    let comments: Vec<_> = lines[first..line]
        .iter()
        .flat_map(|line| line.comment.split_whitespace())
        .filter(|word| !matches!(*word, "//" | "///" | "//!"))
        .collect();
    let pairs = comments
        .windows(2)
        .any(|pair| pair[0].eq_ignore_ascii_case("pairs") && pair[1].starts_with("with"));
    let releases = comments.iter().any(|word| word.contains("Release"));
    let is_name = |word: &&str| {
        let word = word.replace("Ordering::Release", "");
        ["`", "_", "::", "()"]
            .iter()
            .any(|mark| word.contains(mark))
            && word.trim_matches('`') != "Release"
    };
    pairs || (releases && comments.iter().any(is_name))
}

/// What a file's `use` items say about the names of orderings.
struct Imports {
    /// The lines that `use` items cover, counted from 1.
    lines: Vec<usize>,
    /// Names of the enum in this file.
    enums: Vec<String>,
    /// Variants that may stand alone in this file.
    bare: Vec<&'static str>,
}

impl Imports {
    fn of(source: &Source) -> Self {
        let mut lines = Vec::new();
        let mut enums = vec!["Ordering".to_owned()];
        let mut bare = Vec::new();
        let mut item: Option<String> = None;
        for (line, text) in source.numbered() {
            let code = text.code.trim();
            let starts =
                code.starts_with("use ") || (code.starts_with("pub") && code.contains(" use "));
            if item.is_none() && !starts {
                continue;
            }
            lines.push(line);
            let item_text = item.get_or_insert_default();
            item_text.push_str(code);
            item_text.push(' ');
            if !code.contains(';') {
                continue;
            }
            let done = item.take().unwrap_or_default();
            let glob = done.contains("Ordering::*");
            let named = |ordering: &&str| glob || words(&done, ordering).next().is_some();
            bare.extend(ORDERINGS.into_iter().filter(named));
            if let Some((_, alias)) = done.split_once("Ordering as ") {
                let end = alias.find(|c: char| !c.is_alphanumeric() && c != '_');
                enums.push(alias[..end.unwrap_or(alias.len())].to_owned());
            }
        }
        Self { lines, enums, bare }
    }

    /// Whether `code` names the atomic ordering, rather than something else of that name.
    fn names(&self, code: &str, ordering: &'static str) -> bool {
        words(code, ordering).any(|at| match code[..at].strip_suffix("::") {
            Some(path) => self.enums.iter().any(|name| path.ends_with(name.as_str())),
            None => self.bare.contains(&ordering),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines(text: &str) -> Vec<usize> {
        let findings = check(&[Source::parse("crates/shm/src/lane.rs", text)]);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn an_acquire_with_its_release_passes() {
        assert_eq!(
            lines("a.load(Ordering::Acquire); // pairs with publish()\n"),
            NONE
        );
        assert_eq!(
            lines(
                "// Acquire: Pairs\n// with the Release in `publish`.\nx(\n    Ordering::AcqRel,\n);\n"
            ),
            NONE
        );
        assert_eq!(
            lines("/// Sees what the Release in Lane::push wrote.\nf(Ordering::Acquire)\n"),
            NONE
        );
    }

    #[test]
    fn an_acquire_without_is_found() {
        assert_eq!(lines("a.load(Ordering::Acquire);\n"), [1]);
        assert_eq!(
            lines("// the Release comes later\na.load(atomic::Ordering::Acquire);\n"),
            [2]
        );
        assert_eq!(
            lines("use Ordering::{Acquire, Relaxed};\n\na.load(Acquire);\n"),
            [3]
        );
        assert_eq!(
            lines("use sync::Ordering as O;\na.swap(1, O::AcqRel);\n"),
            [2]
        );
        let far = format!(
            "// pairs with `b`\n{}a.load(Ordering::Acquire);\n",
            "\n".repeat(6)
        );
        assert_eq!(lines(&far), [8]);
    }

    #[test]
    fn imports_tests_text_and_namesakes_are_exempt() {
        assert_eq!(
            lines("use std::sync::atomic::{\n    AtomicU32,\n    Ordering::Acquire,\n};\n"),
            NONE
        );
        assert_eq!(
            lines("#[cfg(test)]\nmod tests {\n    a.load(Ordering::Acquire);\n}\n"),
            NONE
        );
        assert_eq!(
            lines("// Ordering::Acquire\nlet s = \"Ordering::Acquire\";\n"),
            NONE
        );
        assert_eq!(
            lines("enum Step {\n    Acquire,\n}\nlet s = Step::Acquire;\n"),
            NONE
        );
    }

    #[test]
    fn other_packages_are_out_of_scope() {
        let source = Source::parse("crates/wire/src/a.rs", "a.load(Ordering::Acquire);\n");
        assert_eq!(check(&[source]), []);
    }
}
