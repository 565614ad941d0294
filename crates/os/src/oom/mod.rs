//! Whether the kernel has killed for want of memory, where it tells.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(target_os = "macos")]
use macos as platform;

/// The count of processes of this process's memory cgroup that the kernel has killed because memory ran out.
///
/// Children are in the same cgroup unless somebody moved them, so a rise of the count explains the SIGKILL of a child.
/// There is one on Linux in a cgroup that counts memory: version 2 below the root, version 1 anywhere.
#[derive(Debug)]
pub struct OomKills {
    counter: Option<platform::Counter>,
    /// The kills that were there at first, or have been told since.
    told: u64,
}

impl OomKills {
    /// The count from now on, for the cgroup of the calling process.
    #[must_use]
    pub fn from_now_on() -> Self {
        let counter = platform::Counter::of_this_process();
        let told = counter
            .as_ref()
            .and_then(platform::Counter::read)
            .unwrap_or(0);
        Self { counter, told }
    }

    /// Whether somebody counts.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.counter.is_some()
    }

    /// Whether there was one more kill than was told so far, which is told by this. `None` where nobody counts.
    pub fn one_more(&mut self) -> Option<bool> {
        let now = self.counter.as_ref()?.read()?;
        let more = now > self.told;
        self.told += u64::from(more);
        Some(more)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn nobody_is_killed_here() {
        let mut kills = super::OomKills::from_now_on();
        assert_ne!(kills.one_more(), Some(true));
    }
}
