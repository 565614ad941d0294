//! The steps that there are, as the sources have them, against those at which victims died.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Steps at which no victim can die: the file, a piece of the code that follows the step, why.
pub(crate) const EXEMPT: &[(&str, &str, &str)] = &[];

/// Where the steps are, from the workspace's root.
const SOURCES: &str = "crates/shm/src";

/// Not the operations themselves.
const NOT_SOURCES: &[&str] = &["model", "tests", "tests.rs", "steps.rs", "crash.rs"];

/// The steps, as `file:line`, that are neither in `died_at` nor exempt.
pub(crate) fn untried(died_at: &BTreeSet<String>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    collect(&root.join(SOURCES), &mut files);
    let mut untried = Vec::new();
    let mut steps = 0;
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        let name = file.strip_prefix(&root).expect("below the root").display();
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            if line.trim() != "step();" {
                continue;
            }
            steps += 1;
            let site = format!("{name}:{}", index + 1);
            let after = lines[index..].iter().take(10);
            let after: String = after.copied().collect();
            let is_exempt = EXEMPT
                .iter()
                .any(|(path, code, _why)| name.to_string().ends_with(path) && after.contains(code));
            if !died_at.contains(&site) && !is_exempt {
                untried.push(site);
            }
        }
    }
    assert!(steps > 90, "only {steps} steps found: where are they?");
    untried
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
