//! A memory cgroup of the victim's own, inside that of the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Victim;
use crate::patience::{LIVENESS, within};

/// Removes the cgroup in the end.
struct Cgroup(PathBuf);

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Those that were in it are dead, and may not be quite gone.
        let _ = within(LIVENESS, || fs::remove_dir(&self.0).ok());
    }
}

/// Runs the victim, which must pass, where no more than so many bytes of memory are to be had; says so where no such
/// cgroup can be made.
pub fn in_memory_of(bytes: u64, victim: Victim) {
    match make(bytes) {
        Some(cgroup) => {
            let enter = format!("echo $$ > '{}'", cgroup.0.join("cgroup.procs").display());
            victim.after(&enter).passes();
        }
        None => eprintln!("skipped: no right to make a memory cgroup (run as root on Linux)"),
    }
}

fn make(bytes: u64) -> Option<Cgroup> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group_of = |wanted: &str| {
        let mut lines = groups.lines().map(|line| line.splitn(3, ':'));
        lines.find_map(|mut parts| {
            let named = parts.nth(1)?.split(',').any(|name| name == wanted);
            named
                .then(|| parts.next())?
                .map(|group| group.trim_start_matches('/'))
        })
    };
    let places = [
        (
            "/sys/fs/cgroup/memory",
            group_of("memory"),
            "memory.limit_in_bytes",
        ),
        ("/sys/fs/cgroup", group_of(""), "memory.max"),
    ];
    places.into_iter().find_map(|(mount, group, limit)| {
        let parent = Path::new(mount).join(group?);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("fy-test-{}-{number}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let cgroup = Cgroup(folder);
        let limit = cgroup.0.join(limit);
        // Made, but memory may not be what this hierarchy counts.
        (limit.exists() && fs::write(limit, bytes.to_string()).is_ok()).then_some(cgroup)
    })
}
