//! The counter `oom_kill` of a memory cgroup.
//!
//! Version 2 has it in `memory.events`, version 1 in `memory.oom_control`. It counts the cgroup's own processes, also
//! when it was an outer cgroup, or the machine, that had run out. The kernel counts before it kills.

use std::fs;
use std::path::{Path, PathBuf};

/// The file that has it.
#[derive(Debug)]
pub(super) struct Counter(PathBuf);

impl Counter {
    pub(super) fn of_this_process() -> Option<Self> {
        let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        candidates(&cgroups, &mounts)
            .into_iter()
            .map(Self)
            .find(|counter| counter.read().is_some())
    }

    pub(super) fn read(&self) -> Option<u64> {
        oom_kill(&fs::read_to_string(&self.0).ok()?)
    }
}

/// Reads "oom_kill 3" out of lines of that kind.
fn oom_kill(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))?
        .trim()
        .parse()
        .ok()
}

/// Where the counter may be, the likelier first: of version 1 if memory is counted there, else of version 2.
fn candidates(cgroups: &str, mounts: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in cgroups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let first = controllers.split(',').any(|name| name == "memory");
        let (kind, file) = if first {
            ("cgroup", "memory.oom_control")
        } else if controllers.is_empty() {
            ("cgroup2", "memory.events")
        } else {
            continue;
        };
        for folder in folders(mounts, kind, group) {
            let path = folder.join(file);
            if first {
                found.insert(0, path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

/// Where `group` is seen, for each mount of that kind.
///
/// ```text
/// 35 31 0:32 /root/of/mount /where/it/is rw,relatime shared:9 - cgroup cgroup rw,memory
/// ```
fn folders(mounts: &str, kind: &str, group: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        let Some((place, system)) = line.split_once(" - ") else {
            continue;
        };
        let mut system = system.split(' ');
        let right_kind = system.next() == Some(kind);
        let options = system.next_back().unwrap_or_default();
        let counts_memory = kind == "cgroup2" || options.split(',').any(|name| name == "memory");
        if !right_kind || !counts_memory {
            continue;
        }
        let mut place = place.split(' ').skip(3);
        let (Some(root), Some(point)) = (place.next(), place.next()) else {
            continue;
        };
        // What is mounted may be a part of the tree, as in a container.
        if let Ok(inner) = Path::new(group).strip_prefix(root) {
            found.push(Path::new(point).join(inner));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2: &str =
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";

    #[test]
    fn the_count_is_found_in_both_versions() {
        let events = "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(oom_kill(events), Some(1));
        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 12\n";
        assert_eq!(oom_kill(control), Some(12));
        assert_eq!(oom_kill("oom_kill_disable 0\nunder_oom 0\n"), None);
        assert_eq!(oom_kill(""), None);
    }

    #[test]
    fn version_2_is_found_below_its_mount() {
        let group = "0::/user.slice/user-1000.slice/session-2.scope\n";
        let wanted = "/sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope/memory.events";
        assert_eq!(candidates(group, V2), [PathBuf::from(wanted)]);
    }

    #[test]
    fn version_1_comes_before_version_2() {
        let groups = "9:name=systemd:/\n4:cpu,memory:/jobs/7\n0::/\n";
        let mounts = "31 23 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                      32 23 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
        assert_eq!(
            candidates(groups, mounts),
            [
                PathBuf::from("/sys/fs/cgroup/memory/jobs/7/memory.oom_control"),
                PathBuf::from("/sys/fs/cgroup/unified/memory.events"),
            ]
        );
    }

    #[test]
    fn a_container_sees_a_part_of_the_tree() {
        let groups = "4:memory:/docker/abc\n";
        let inner = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
        let wanted = PathBuf::from("/sys/fs/cgroup/memory/memory.oom_control");
        assert_eq!(candidates(groups, inner), [wanted]);
        let other = "35 31 0:32 /docker/xyz /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
        assert!(candidates(groups, other).is_empty());
    }

    #[test]
    fn garbage_leads_nowhere() {
        assert!(candidates("", V2).is_empty());
        assert!(candidates("no colons\n1:cpu:/\n", V2).is_empty());
        assert!(candidates("0::/a\n", "short - cgroup2\nno dash").is_empty());
    }
}
