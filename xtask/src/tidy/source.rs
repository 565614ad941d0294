//! Rust sources split line by line into code and comments.
//!
//! A small lexer, not a parser: it knows comments (nested ones too), strings (raw, byte and C ones
//! too), characters and lifetimes, so that a rule never fires on what only looks like code. Literals
//! and comments are blank in `code`; comments are in `comment`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::workspace::Workspace;

/// One source file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the workspace's root.
    pub(crate) path: PathBuf,
    /// The file's lines, in order.
    pub(crate) lines: Vec<Line>,
}

/// One line of a file.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The code; comments and literals are blank.
    pub(crate) code: String,
    /// The text of all comments on the line, their markers included.
    pub(crate) comment: String,
    /// Whether the line is compiled for tests only.
    pub(crate) is_test: bool,
}

impl Source {
    /// Splits `text` and marks its test modules.
    pub(crate) fn parse(path: impl Into<PathBuf>, text: &str) -> Self {
        let mut source = Self {
            path: path.into(),
            lines: split(text),
        };
        for (start, end) in test_items(&source.lines) {
            source.lines[start..=end]
                .iter_mut()
                .for_each(|line| line.is_test = true);
        }
        source
    }

    /// Lines that hold code, with numbers counted from 1.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &Line)> {
        (1..).zip(&self.lines)
    }

    /// Whether the file is below one of these folders, or is one of these files.
    pub(crate) fn is_below(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
}

/// Whether `code` holds `word` as a whole word.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    words(code, word).next().is_some()
}

/// The byte positions at which `code` holds `word` as a whole word.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |&at| {
            let before = code[..at].chars().next_back();
            let after = code[at + word.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

/// Reads every `.rs` file of the workspace, and marks files that are test modules of others.
pub(crate) fn load(workspace: &Workspace) -> Result<Vec<Source>, String> {
    let mut paths = BTreeSet::new();
    for package in &workspace.packages {
        let folder = package.manifest.parent().unwrap_or(Path::new(""));
        collect(&workspace.root, folder, &mut paths)?;
    }
    let mut sources = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(workspace.root.join(&path))
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        sources.push(Source::parse(path, &text));
    }
    let test_modules: Vec<PathBuf> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        let stem = source.path.with_extension("");
        if test_modules.iter().any(|module| stem.starts_with(module)) {
            source.lines.iter_mut().for_each(|line| line.is_test = true);
        }
    }
    Ok(sources)
}

fn collect(root: &Path, folder: &Path, paths: &mut BTreeSet<PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(root.join(folder))
        .map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
        let name = entry.file_name();
        let path = folder.join(&name);
        let hidden = name.to_string_lossy().starts_with('.');
        let kind = entry.file_type().map_err(|error| error.to_string())?;
        if kind.is_dir() && !hidden && name != "target" {
            collect(root, &path, paths)?;
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            paths.insert(path);
        }
    }
    Ok(())
}

/// The paths, without extension, of modules declared by `#[cfg(test)] mod name;`.
fn test_modules(source: &Source) -> Vec<PathBuf> {
    let stem = source.path.with_extension("");
    let is_root = stem.ends_with("lib") || stem.ends_with("main") || stem.ends_with("mod");
    let folder = if is_root {
        stem.parent().unwrap_or(Path::new("")).to_owned()
    } else {
        stem
    };
    let declared = |line: &Line| {
        let (_, name) = line.code.trim().strip_suffix(';')?.rsplit_once("mod ")?;
        line.is_test.then(|| folder.join(name.trim()))
    };
    source.lines.iter().filter_map(declared).collect()
}

/// First and last line (from 0) of every item below a `#[cfg(test)]`, or of a whole `#![cfg(test)]`.
fn test_items(lines: &[Line]) -> Vec<(usize, usize)> {
    let mut items = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.code.replace(' ', "");
        let requires = |marker| {
            code.find(marker)
                .is_some_and(|at| requires_test(&code[at..]))
        };
        if requires("#![cfg(") {
            items.push((0, lines.len() - 1));
        } else if requires("#[cfg(") {
            items.push((start, end_of_item(lines, start)));
        }
    }
    items
}

/// Whether a `cfg` holds only in tests: it names `test` outside every `not(…)` and `any(…)`.
fn requires_test(attribute: &str) -> bool {
    let mut exempt_depths = Vec::new();
    let mut depth = 0_usize;
    for (at, c) in attribute.char_indices() {
        let rest = &attribute[at..];
        match c {
            '(' => {
                depth += 1;
                if attribute[..at].ends_with("not") || attribute[..at].ends_with("any") {
                    exempt_depths.push(depth);
                }
            }
            ')' => {
                exempt_depths.retain(|&exempt| exempt != depth);
                depth = depth.saturating_sub(1);
            }
            ']' => return false,
            't' if exempt_depths.is_empty() && words(rest, "test").next() == Some(0) => {
                return attribute[..at].ends_with(['(', ',']);
            }
            _ => {}
        }
    }
    false
}

/// The line on which the item that starts at `start` ends: its closing brace, or its semicolon.
fn end_of_item(lines: &[Line], start: usize) -> usize {
    let mut braces = 0_usize;
    let mut brackets = 0_usize;
    for (index, line) in lines.iter().enumerate().skip(start) {
        for c in line.code.chars() {
            match c {
                '{' => braces += 1,
                '[' | '(' => brackets += 1,
                ']' | ')' => brackets = brackets.saturating_sub(1),
                '}' if braces <= 1 => return index,
                '}' => braces -= 1,
                ';' if braces == 0 && brackets == 0 => return index,
                _ => {}
            }
        }
    }
    lines.len().saturating_sub(1)
}

/// What the lexer is inside of.
#[derive(Clone, Copy)]
enum State {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Str,
    RawStr { hashes: usize },
}

fn split(text: &str) -> Vec<Line> {
    let chars: Vec<char> = text.chars().collect();
    let mut lines = vec![Line::default()];
    let mut state = State::Code;
    let mut at = 0;
    while at < chars.len() {
        if chars[at] == '\n' {
            if matches!(state, State::LineComment) {
                state = State::Code;
            }
            lines.push(Line::default());
            at += 1;
            continue;
        }
        let (next, width) = step(state, &chars, at);
        let in_comment = |state| matches!(state, State::LineComment | State::BlockComment { .. });
        // A newline inside of `width` is impossible but for `\` at the end of a line of a string.
        let line = lines.last_mut().expect("there is always a line");
        let piece = &chars[at..chars.len().min(at + width)];
        if in_comment(state) || in_comment(next) {
            line.comment.extend(piece);
        }
        if matches!((state, next), (State::Code, State::Code)) && piece.len() == 1 {
            line.code.extend(piece);
        } else {
            line.code.extend(piece.iter().map(|_| ' '));
        }
        state = next;
        at += width;
    }
    if text.ends_with('\n') {
        lines.pop();
    }
    lines
}

/// The state after the piece that starts at `at`, and how many characters that piece has.
fn step(state: State, chars: &[char], at: usize) -> (State, usize) {
    let next = chars.get(at + 1).copied();
    match (state, chars[at]) {
        (State::Code, '/') if next == Some('/') => (State::LineComment, 2),
        (State::Code, '/') if next == Some('*') => (State::BlockComment { depth: 1 }, 2),
        (State::BlockComment { depth }, '/') if next == Some('*') => {
            (State::BlockComment { depth: depth + 1 }, 2)
        }
        (State::BlockComment { depth: 1 }, '*') if next == Some('/') => (State::Code, 2),
        (State::BlockComment { depth }, '*') if next == Some('/') => {
            (State::BlockComment { depth: depth - 1 }, 2)
        }
        (State::Code, '"') => (State::Str, 1),
        (State::Str, '\\') if next != Some('\n') => (State::Str, 2),
        (State::Str, '"') => (State::Code, 1),
        (State::Code, 'r') => match raw_start(chars, at) {
            Some(hashes) => (State::RawStr { hashes }, hashes + 2),
            None => (State::Code, 1),
        },
        (State::RawStr { hashes }, '"') if closes(chars, at, hashes) => (State::Code, hashes + 1),
        (State::Code, '\'') => (State::Code, char_width(chars, at)),
        (state, _) => (state, 1),
    }
}

/// The number of hashes, if a raw string starts at the `r` at `at`.
fn raw_start(chars: &[char], at: usize) -> Option<usize> {
    let starts_word = match at.checked_sub(1).map(|before| chars[before]) {
        Some('b' | 'c') => true,
        Some(before) => !(before.is_alphanumeric() || before == '_'),
        None => true,
    };
    let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
    (starts_word && chars.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

fn closes(chars: &[char], at: usize, hashes: usize) -> bool {
    let rest = &chars[at + 1..];
    rest.len() >= hashes && rest[..hashes].iter().all(|&c| c == '#')
}

/// The width of the character literal at `at`, or 1 when the quote starts a lifetime.
fn char_width(chars: &[char], at: usize) -> usize {
    let rest = &chars[at + 1..];
    match rest {
        ['\\', _, tail @ ..] => tail
            .iter()
            .position(|&c| c == '\'')
            .map_or(1, |end| end + 4),
        [_, '\'', ..] => 3,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        let source = Source::parse("a.rs", text);
        let lines: Vec<_> = source
            .lines
            .iter()
            .map(|line| line.code.trim_end())
            .collect();
        lines.join("\n")
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        assert_eq!(code("a /*b /*c*/ d*/ e // f"), format!("a{:15}e", ""));
        assert_eq!(code(r#"f("unsafe \" x", b"y")"#), "f(             , b   )");
        assert_eq!(code("r#\"a \" unsafe\"# z"), format!("{:16}z", ""));
        assert_eq!(
            code(r"let c = '\''; let q = '\u{1f}'; let d = '\\';"),
            "let c =     ; let q =         ; let d =     ;"
        );
        assert_eq!(
            code("fn f<'a>(c: &'a str) { '\"' }"),
            "fn f<'a>(c: &'a str) {     }"
        );
        assert_eq!(code("\"one \\\n unsafe two\"; x"), "\n            ; x");
        assert_eq!(code("let r#type = for_r;"), "let r#type = for_r;");
    }

    #[test]
    fn comments_are_kept_on_their_lines() {
        let source = Source::parse("a.rs", "x; // pairs with\n/* one\ntwo */ y\n");
        let comments: Vec<_> = source
            .lines
            .iter()
            .map(|line| line.comment.as_str())
            .collect();
        assert_eq!(comments, ["// pairs with", "/* one", "two */"]);
    }

    #[test]
    fn test_modules_are_marked_to_their_closing_brace() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\nfn c() {}\n\
                    #[cfg(not(test))]\nfn d() {}\n#[cfg(all(test, loom))]\nmod model;\nfn e() {}\n";
        let source = Source::parse("src/lib.rs", text);
        let marked: Vec<_> = source
            .numbered()
            .filter(|(_, line)| line.is_test)
            .map(|(n, _)| n)
            .collect();
        assert_eq!(marked, [2, 3, 4, 5, 9, 10]);
        assert_eq!(test_modules(&source), [PathBuf::from("src/model")]);
    }

    #[test]
    fn a_cfg_requires_test_unless_it_is_negated_or_one_of_several() {
        assert!(requires_test("#[cfg(test)]"));
        assert!(requires_test("#[cfg(all(not(loom),test))]"));
        assert!(!requires_test("#[cfg(not(test))]"));
        assert!(!requires_test("#[cfg(any(test,loom))]"));
        assert!(!requires_test("#[cfg(test_support)]"));
    }
}
