//! How a test, its victim and the victim's tasks tell each other where they are: by files in the
//! folder of the run, which every process of it finds in its environment.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use crate::patience::{LIVENESS, until};

/// Names the variable that leads to the folder.
pub const FOLDER_VARIABLE: &str = "FY_TEST_FOLDER";

/// The folder of this run.
///
/// # Panics
/// Outside a run.
#[must_use]
pub fn folder() -> PathBuf {
    std::env::var_os(FOLDER_VARIABLE)
        .expect("a victim is started by its test")
        .into()
}

/// Says `text` under `name`.
pub fn say(name: &str, text: impl Display) {
    say_in(&folder(), name, text);
}

/// Waits until something was said under `name`, and returns it.
#[must_use]
pub fn hear(name: &str) -> String {
    hear_in(&folder(), name)
}

/// Waits until `name` was said.
pub fn wait(name: &str) {
    let _ = hear(name);
}

/// As [`say`], from the test's side.
///
/// # Panics
/// When the folder cannot be written.
pub fn say_in(folder: &Path, name: &str, text: impl Display) {
    // Renamed into place, so that whoever sees it sees all of it.
    let draft = folder.join(format!("{name}.{}", std::process::id()));
    fs::write(&draft, text.to_string()).expect("the folder of the run can be written");
    fs::rename(&draft, folder.join(name)).expect("the folder of the run can be written");
}

/// As [`hear`], from the test's side.
///
/// # Panics
/// When nothing is said in time.
#[must_use]
pub fn hear_in(folder: &Path, name: &str) -> String {
    until(name, LIVENESS, || {
        fs::read_to_string(folder.join(name)).ok()
    })
}

/// Notes one more arrival under `name`, and returns how many there were before.
///
/// # Panics
/// When the folder cannot be written.
pub fn arrive(name: &str) -> usize {
    // Creating a file is done by exactly one of those who try.
    (0..)
        .find(|number| {
            let path = folder().join(format!("{name}-{number}"));
            fs::File::create_new(path).is_ok()
        })
        .expect("there is no end of numbers")
}

/// How many arrived under `name`.
#[must_use]
pub fn arrived(name: &str) -> usize {
    (0..)
        .take_while(|number| folder().join(format!("{name}-{number}")).exists())
        .count()
}
