//! Rule `platform`: what differs between systems is in `crates/os`, behind one signature.

use super::Finding;
use super::source::{Source, has_word};
use crate::workspace::Package;

const RULE: &str = "platform";
const ADVICE: &str = "code for one system belongs in crates/os/src/<topic>/{linux,macos}.rs";

/// The predicates that tell systems apart.
const PREDICATES: &[&str] = &["target_os", "target_vendor", "target_family"];

/// Where they may be used.
const HOME: &str = "crates/os";

/// Files outside of [`HOME`] that may use them, each with the reason.
const ALLOWED: &[(&str, &str)] = &[];

/// Checks every file, and every `[target.'cfg(…)'.dependencies]`.
pub(super) fn check(packages: &[Package], sources: &[Source]) -> Vec<Finding> {
    let mut findings = check_sources(sources);
    for package in packages {
        if package.manifest.starts_with(HOME) {
            continue;
        }
        for dependency in &package.dependencies {
            let target = dependency.target.as_deref().unwrap_or_default();
            if PREDICATES
                .iter()
                .any(|predicate| has_word(target, predicate))
            {
                findings.push(Finding {
                    path: package.manifest.clone(),
                    line: package.line_of(&dependency.name),
                    rule: RULE,
                    advice: ADVICE.to_owned(),
                });
            }
        }
    }
    findings
}

fn check_sources(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        let is_allowed = ALLOWED
            .iter()
            .any(|(file, _reason)| source.is_below(&[file]));
        if source.is_below(&[HOME]) || is_allowed {
            continue;
        }
        for (line, text) in source.numbered() {
            if PREDICATES
                .iter()
                .any(|predicate| has_word(&text.code, predicate))
            {
                findings.push(Finding {
                    path: source.path.clone(),
                    line,
                    rule: RULE,
                    advice: ADVICE.to_owned(),
                });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    const NONE: [usize; 0] = [];

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let findings = check(&[], &[Source::parse(path, text)]);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn platform_code_at_home_and_in_comments_passes() {
        let text = "#[cfg(target_os = \"linux\")]\nmod linux;\n";
        assert_eq!(lines("crates/os/src/park/mod.rs", text), NONE);
        assert_eq!(
            lines("crates/shm/src/lane.rs", "// no cfg(target_os) here\n"),
            NONE
        );
        assert_eq!(
            lines(
                "crates/shm/src/lane.rs",
                "#[cfg(target_pointer_width = \"64\")]\n"
            ),
            NONE
        );
    }

    #[test]
    fn platform_code_elsewhere_is_found() {
        let text = "fn f() {\n    if cfg!(target_os = \"macos\") {}\n}\n";
        assert_eq!(lines("crates/runtime/src/pool.rs", text), [2]);
        let text = "#[cfg(any(loom, target_os = \"linux\"))]\nmod a;\n";
        assert_eq!(lines("tests/src/lib.rs", text), [1]);
    }

    #[test]
    fn a_dependency_for_one_system_is_found_outside_os() {
        let package = |manifest: &str| Package {
            manifest: manifest.into(),
            dependencies: vec![Dependency {
                name: "mach2".to_owned(),
                target: Some("cfg(target_os = \"macos\")".to_owned()),
            }],
            ..Package::default()
        };
        assert_eq!(check(&[package("crates/os/Cargo.toml")], &[]), []);
        assert_eq!(check(&[package("crates/shm/Cargo.toml")], &[]).len(), 1);
    }
}
