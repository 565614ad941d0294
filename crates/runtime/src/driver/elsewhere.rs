//! When the threads that would drive wait for something else: in shared state, for what a task
//! is to do, which nobody can tell from here. Then every pool of this process is driven by its
//! feeder, until the wait is over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Core;

/// The pools of this process.
static POOLS: Mutex<Vec<Weak<Core>>> = Mutex::new(Vec::new());

fn pools() -> MutexGuard<'static, Vec<Weak<Core>>> {
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a new pool one of those that are driven while a thread waits elsewhere.
pub(crate) fn enlist(core: &Arc<Core>) {
    let mut pools = pools();
    pools.retain(|pool| pool.strong_count() > 0);
    pools.push(Arc::downgrade(core));
}

/// While it lives, the pools of this process are driven in the background.
pub(crate) struct DrivenElsewhere(Vec<Arc<Core>>);

/// The pools of this process that are there.
pub(crate) fn own_pools() -> Vec<Arc<Core>> {
    let alive = pools().iter().filter_map(Weak::upgrade).collect::<Vec<_>>();
    // A copy of a pool that fork has made is not this process's.
    alive.into_iter().filter(|core| core.is_ours()).collect()
}

impl DrivenElsewhere {
    pub(crate) fn begin() -> Self {
        let ours = own_pools();
        for core in &ours {
            let mut driver = core.lock();
            driver.waits_elsewhere += 1;
            Core::ensure_fed(core, &mut driver);
        }
        Self(ours)
    }
}

impl Drop for DrivenElsewhere {
    fn drop(&mut self) {
        for core in &self.0 {
            core.lock().waits_elsewhere -= 1;
        }
    }
}
