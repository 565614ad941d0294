//! A `/dev/shm` of the victim's own, small or otherwise unlike that of the machine.

use std::process::{Command, Stdio};

use crate::Victim;

/// Runs the victim, which must pass, with a `/dev/shm` of that size; says so where that is not
/// allowed.
pub fn in_shm_of(size: &str, victim: Victim) {
    const OWN: [&str; 3] = ["unshare", "--mount", "--"];
    let mount = format!("mount -t tmpfs -o size={size} tmpfs /dev/shm");
    let may = Command::new(OWN[0])
        .args(&OWN[1..])
        .args(["sh", "-c", &mount])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if may {
        victim.under(&OWN).after(&mount).passes();
    } else {
        eprintln!("skipped: no right to mount a /dev/shm of our own (run as root on Linux)");
    }
}
