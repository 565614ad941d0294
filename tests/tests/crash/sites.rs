//! The steps that there are, as the sources have them: there is one before each write that others
//! can see, and a victim has died at each.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Steps at which no victim can die: the file, a piece of the code that follows the step, why.
pub(crate) const EXEMPT: &[(&str, &str, &str)] = &[];

/// Writes without a step: the file, the code, why.
pub(crate) const UNSEEN: &[(&str, &str, &str)] = &[
    (
        "arena/process.rs",
        "self.seen_retirements.store",
        "a word of this process's own",
    ),
    (
        "arena/warm.rs",
        "self.disowned.store",
        "a word of this process's own",
    ),
    (
        "arena/mapping.rs",
        ".store((claimed.0 + 1) % blocks",
        "a hint of this process's own",
    ),
    (
        "state/cell.rs",
        "at.",
        "one instruction for each method, which has the step",
    ),
];

/// What writes, or wakes: the beginnings of calls.
const WRITES: &[&str] = &[
    ".store(",
    ".swap(",
    ".fetch_",
    ".compare_exchange",
    ".unpark",
];

/// The step is so many lines before the write at most: a comment may stand between.
const NEAR: usize = 9;

/// Where the steps are, from the workspace's root.
const SOURCES: &str = "crates/shm/src";

/// Not the operations themselves.
const NOT_SOURCES: &[&str] = &["model", "tests", "tests.rs", "steps.rs", "crash.rs"];

/// The steps, as `file:line`, that are neither in `died_at` nor exempt.
pub(crate) fn untried(died_at: &BTreeSet<String>) -> Vec<String> {
    let sources = sources();
    let steps = sources.iter().flat_map(|(name, lines)| {
        let steps = (1..).zip(lines).filter(|(_, line)| is_step(line));
        steps.map(move |(number, _)| (name, lines, number))
    });
    let steps: Vec<_> = steps.collect();
    assert!(steps.len() > 90, "too few steps found: where are they?");
    let untried = steps.into_iter().filter(|(name, lines, number)| {
        let after: String = lines[*number..].iter().take(NEAR).cloned().collect();
        !died_at.contains(&format!("{name}:{number}")) && !is_listed(EXEMPT, name, &after)
    });
    untried
        .map(|(name, _, number)| format!("{name}:{number}"))
        .collect()
}

/// The writes, as `file:line`, before which there is no step, and which are not exempt.
pub(crate) fn unstepped() -> Vec<String> {
    let mut unstepped = Vec::new();
    for (name, lines) in sources() {
        for (index, line) in lines.iter().enumerate() {
            let writes = WRITES.iter().any(|call| code_of(line).contains(call));
            let near = &lines[index.saturating_sub(NEAR)..index];
            let stepped = near.iter().any(|line| is_step(line));
            if writes && !stepped && !is_listed(UNSEEN, &name, line) {
                unstepped.push(format!("{name}:{}", index + 1));
            }
        }
    }
    unstepped
}

fn is_step(line: &str) -> bool {
    line.trim() == "step();"
}

fn code_of(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn is_listed(list: &[(&str, &str, &str)], name: &str, code: &str) -> bool {
    let mut list = list.iter();
    list.any(|(path, piece, _why)| name.ends_with(path) && code.contains(piece))
}

/// Every source by its name from the workspace's root, and its lines but for tests.
fn sources() -> Vec<(String, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    collect(&root.join(SOURCES), &mut files);
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).expect("a source");
        let name = file.strip_prefix(&root).expect("below the root");
        let lines = text.lines().take_while(|line| *line != "mod tests {");
        (
            name.display().to_string(),
            lines.map(str::to_owned).collect(),
        )
    };
    files.into_iter().map(read).collect()
}

/// All sources below `folder`.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("a source").path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_none_or(|name| NOT_SOURCES.contains(&name)) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
    files.sort();
}
