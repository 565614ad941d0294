//! Rule `layers`: arrows point down, and an outside package has one owner.

use super::Finding;
use crate::workspace::Package;

const RULE: &str = "layers";

/// Every package of ours, and which of ours it may depend on (normal, dev and build alike).
const ARROWS: &[(&str, &[&str])] = &[
    (
        "forkyard-cli",
        &["forkyard-measure", "forkyard-workloads", "forkyard"],
    ),
    ("forkyard-measure", &["forkyard-workloads", "forkyard"]),
    ("forkyard-workloads", &["forkyard"]),
    (
        "forkyard",
        &["forkyard-wire", "forkyard-shm", "forkyard-os"],
    ),
    ("forkyard-wire", &["forkyard-os"]),
    ("forkyard-shm", &[]),
    ("forkyard-os", &[]),
    ("tests", ANY),
    ("benches", ANY),
    ("xtask", &[]),
];

/// All that ships: whole-system tests and benches look at every layer.
const ANY: &[&str] = &[
    "forkyard-cli",
    "forkyard-measure",
    "forkyard-workloads",
    "forkyard",
    "forkyard-wire",
    "forkyard-shm",
    "forkyard-os",
];

/// Outside packages that only these of ours may name.
const OWNED: &[(&str, &[&str])] = &[
    ("nix", &["forkyard-os"]),
    ("libc", &["forkyard-os"]),
    ("shared_memory", &["forkyard-os"]),
    ("bincode", &["forkyard-wire", "benches", "tests"]),
    ("ipc-channel", &["forkyard-wire", "benches", "tests"]),
];

/// Checks every dependency of every member.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let finding = |line, advice| Finding {
        path: package.manifest.clone(),
        line,
        rule: RULE,
        advice,
    };
    let name = &package.name;
    let Some(allowed) = find(ARROWS, name) else {
        let advice = format!("{name} has no layer: add it to ARROWS in xtask/src/tidy/layers.rs");
        return vec![finding(1, advice)];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let target = dependency.name.as_str();
        let line = package.line_of(target);
        if find(ARROWS, target).is_some() && !allowed.contains(&target) {
            let advice = match allowed {
                [] => format!("{name} may not depend on {target}, nor on any package of ours"),
                _ => format!(
                    "{name} may not depend on {target}; of ours it may use {}",
                    allowed.join(", ")
                ),
            };
            findings.push(finding(line, advice));
        }
        if let Some(owners) = find(OWNED, target)
            && !owners.contains(&name.as_str())
        {
            let advice = format!("only {} may use {target}: go through it", owners.join(", "));
            findings.push(finding(line, advice));
        }
    }
    findings
}

fn find<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    let row = table.iter().find(|(key, _)| *key == name);
    row.map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        let mut manifest_text = String::from("[dependencies]\n");
        for dependency in dependencies {
            manifest_text += &format!("{dependency}.workspace = true\n");
        }
        Package {
            name: name.to_owned(),
            manifest_text,
            dependencies: dependencies
                .iter()
                .map(|&name| Dependency {
                    name: name.to_owned(),
                    target: None,
                })
                .collect(),
            ..Package::default()
        }
    }

    #[test]
    fn arrows_that_point_down_pass() {
        let good = [
            package("forkyard", &["serde", "forkyard-os", "forkyard-shm"]),
            package("forkyard-os", &["libc", "nix"]),
            package("benches", &["forkyard-os", "bincode"]),
        ];
        assert_eq!(check(&good), []);
    }

    #[test]
    fn an_arrow_that_points_up_is_found_on_its_line() {
        let findings = check(&[package("forkyard-wire", &["serde", "forkyard-shm"])]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 3);
        assert!(
            findings[0]
                .advice
                .contains("may not depend on forkyard-shm")
        );
    }

    #[test]
    fn an_outside_package_has_its_owner() {
        assert_eq!(check(&[package("forkyard-shm", &["libc"])]).len(), 1);
        assert_eq!(check(&[package("tests", &["nix", "bincode"])]).len(), 1);
    }

    #[test]
    fn a_package_without_a_layer_is_found() {
        assert_eq!(check(&[package("forkyard-new", &[])]).len(), 1);
    }
}
