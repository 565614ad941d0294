//! What a zygote does before it forks its first worker.

use std::io::Write;
use std::sync::OnceLock;

use forkyard_os::process::Environment;

use super::Call;
use crate::{mapped, trampoline};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Preparation {
    /// For a zygote that was forked; one that was executed has it from there.
    pub(crate) environment: Environment,
    /// The offset of the function to run; 0: none.
    pub(crate) preload: u64,
}

/// Why the preload of this process, or of the one that it was forked from, failed.
static FAILED: OnceLock<String> = OnceLock::new();

/// Why there is nothing preloaded, if that is so.
pub(crate) fn failed() -> Option<&'static str> {
    FAILED.get().map(String::as_str)
}

/// Prepares the zygote: its workers have what it has. A preload that fails is told by each worker.
pub(crate) fn prepare(preparation: &Preparation) {
    mapped::become_environment(&preparation.environment);
    if preparation.preload == 0 {
        return;
    }
    let hook = trampoline::hook_of_settings(preparation.preload);
    if let Err(why) = hook(&mut Call::default()) {
        let _ = FAILED.set(why);
    }
    // What lies in the buffer would be written once by each worker.
    let _ = std::io::stdout().flush();
}
