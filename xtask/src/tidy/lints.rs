//! Rule `lints`: every member opts in to the workspace's lints.

use super::Finding;
use crate::workspace::Package;

const RULE: &str = "lints";

/// Checks every member's manifest.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages
        .iter()
        .filter(|package| !opts_in(&package.manifest_text))
        .map(|package| Finding {
            path: package.manifest.clone(),
            line: 1,
            rule: RULE,
            advice: "add `[lints]` with `workspace = true`".to_owned(),
        })
        .collect()
}

fn opts_in(manifest: &str) -> bool {
    let mut section = String::new();
    for line in manifest.lines() {
        let line = line.split('#').next().unwrap_or_default().replace(' ', "");
        if line.starts_with('[') {
            section = line;
        } else if (section == "[lints]" && line == "workspace=true")
            || (section.is_empty() && line == "lints.workspace=true")
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(manifest: &str) -> usize {
        let package = Package {
            manifest_text: manifest.to_owned(),
            ..Package::default()
        };
        check(&[package]).len()
    }

    #[test]
    fn opting_in_passes() {
        assert_eq!(
            findings("[package]\nname = \"a\"\n\n[lints]\nworkspace = true # all\n"),
            0
        );
        assert_eq!(
            findings("lints.workspace = true\n[package]\nname = \"a\"\n"),
            0
        );
    }

    #[test]
    fn not_opting_in_is_found() {
        assert_eq!(findings("[package]\nname = \"a\"\n"), 1);
        assert_eq!(findings("[lints]\n# workspace = true\n"), 1);
        assert_eq!(findings("[dependencies.a]\nworkspace = true\n"), 1);
    }
}
