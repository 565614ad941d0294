//! What cargo knows about the workspace: its packages, their manifests, targets and dependencies.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The workspace as `cargo metadata --no-deps` describes it.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The directory of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo puts what it builds.
    pub(crate) target_dir: PathBuf,
    /// The members.
    pub(crate) packages: Vec<Package>,
}

/// One member of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its manifest, relative to the root.
    pub(crate) manifest: PathBuf,
    /// The manifest's text.
    pub(crate) manifest_text: String,
    /// The root files of its libraries and programs, relative to the root; test, bench and example
    /// programs are not among them.
    pub(crate) crate_roots: Vec<PathBuf>,
    /// Dependencies of every kind: normal, dev and build.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a `[dependencies]` table.
#[derive(Debug, Default)]
pub(crate) struct Dependency {
    /// The package's own name, whatever it was renamed to.
    pub(crate) name: String,
    /// The `cfg(…)` or triple it is restricted to.
    pub(crate) target: Option<String>,
}

impl Package {
    /// The line of the manifest that names `dependency`, or 1.
    pub(crate) fn line_of(&self, dependency: &str) -> usize {
        let names_it = |line: &str| {
            let key = line.split(['=', '.']).next().unwrap_or_default();
            key.trim() == dependency || line.contains(&format!("package = \"{dependency}\""))
        };
        self.manifest_text
            .lines()
            .position(names_it)
            .map_or(1, |index| index + 1)
    }
}

/// Asks cargo for the workspace.
pub(crate) fn load() -> Result<Workspace, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata failed: {}", why.trim()));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata is not JSON: {error}"))?;
    let root = PathBuf::from(text(&metadata, "workspace_root"));
    let target_dir = PathBuf::from(text(&metadata, "target_directory"));
    let packages = list(&metadata, "packages")
        .iter()
        .map(|package| read_package(&root, package))
        .collect::<Result<_, _>>()?;
    Ok(Workspace {
        root,
        target_dir,
        packages,
    })
}

fn read_package(root: &Path, value: &Value) -> Result<Package, String> {
    let manifest = Path::new(text(value, "manifest_path"));
    let manifest_text = std::fs::read_to_string(manifest)
        .map_err(|error| format!("cannot read {}: {error}", manifest.display()))?;
    let ships = |target: &&Value| {
        list(target, "kind")
            .iter()
            .any(|kind| matches!(kind.as_str(), Some("lib" | "bin" | "proc-macro")))
    };
    Ok(Package {
        name: text(value, "name").to_owned(),
        manifest: relative(root, manifest),
        manifest_text,
        crate_roots: list(value, "targets")
            .iter()
            .filter(ships)
            .map(|target| relative(root, Path::new(text(target, "src_path"))))
            .collect(),
        dependencies: list(value, "dependencies")
            .iter()
            .map(|dependency| Dependency {
                name: text(dependency, "name").to_owned(),
                target: dependency["target"].as_str().map(str::to_owned),
            })
            .collect(),
    })
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn relative(root: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_owned()
}
