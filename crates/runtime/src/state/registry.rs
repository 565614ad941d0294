//! All shared state of a pool, as its supervisor keeps it: what must hear of a death.
//!
//! The registry holds no block. Whoever has the last handle, in whatever process, frees the
//! memory at once, and nobody has to be asked; what stands here is the descriptor, which by
//! its generation leads to nothing any more once that has happened. So state whose handles in
//! the supervisor are all gone is given back to as long as a worker has one, and state that is
//! gone is forgotten the next time somebody looks: at a death, or when the list has doubled.

use std::sync::{Mutex, MutexGuard, PoisonError};

use forkyard_shm::OwnerIndex;
use forkyard_shm::arena::Fault;

use super::kind::Kind;
use crate::arena::{Descriptor, RawArena};
use crate::mapped::{Laid, MeetError};

/// The list is looked through for what is gone when it has grown to this, at least.
const FIRST_LOOK: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    entries: Vec<Entry>,
    look_at: usize,
    /// The pool has ended: what is made now would never hear of it.
    ended: bool,
}

/// The pool has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended;

#[derive(Debug)]
struct Entry {
    descriptor: Descriptor,
    /// As it was made: a peer cannot change it here.
    count: usize,
    tell: fn(&RawArena, &Entry, News) -> Result<bool, String>,
}

/// What happened in the pool.
#[derive(Debug, Clone, Copy)]
enum News {
    /// This process is gone.
    Died(OwnerIndex),
    /// All are.
    Ended,
}

/// Tells one primitive. Whether it is still there; or why it cannot be told, and whoever waits there
/// waits on.
fn tell<K: Kind>(arena: &RawArena, entry: &Entry, news: News) -> Result<bool, String> {
    let laid = match Laid::<K>::meet_again(arena, &entry.descriptor, entry.count) {
        Ok(laid) => laid,
        // This process made the block, so it had its extent mapped, and has it mostly still.
        Err(MeetError::Block(Fault::Extent(error))) => return Err(error.to_string()),
        Err(_) => return Ok(false),
    };
    match news {
        News::Died(dead) => K::give_back(&laid.get(), dead),
        News::Ended => K::end(&laid.get()),
    }
    Ok(true)
}

impl Registry {
    fn list(&self) -> MutexGuard<'_, List> {
        // Entries are whole at every instant.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was just made, before anybody else can know of it.
    pub(crate) fn enter<K: Kind>(&self, arena: &RawArena, laid: &Laid<K>) -> Result<(), Ended> {
        let mut list = self.list();
        if list.ended {
            return Err(Ended);
        }
        if list.entries.len() >= list.look_at {
            list.entries
                .retain(|entry| arena.is_common(&entry.descriptor));
            list.look_at = (2 * list.entries.len()).max(FIRST_LOOK);
        }
        list.entries.push(Entry {
            descriptor: laid.descriptor(),
            count: laid.count(),
            tell: tell::<K>,
        });
        Ok(())
    }

    /// Gives back what `dead` had in any of them. It was reaped, and no other process has its
    /// number yet. Returns why some could not be told.
    #[must_use]
    pub(crate) fn give_back(&self, arena: &RawArena, dead: OwnerIndex) -> Vec<String> {
        self.tell_all(arena, News::Died(dead))
    }

    /// No process of the pool is left: whoever still waits for one is told. Returns why some could
    /// not be.
    #[must_use]
    pub(crate) fn end(&self, arena: &RawArena) -> Vec<String> {
        self.list().ended = true;
        self.tell_all(arena, News::Ended)
    }

    fn tell_all(&self, arena: &RawArena, news: News) -> Vec<String> {
        let mut untold = Vec::new();
        self.list().entries.retain(|entry| {
            let told = (entry.tell)(arena, entry, news);
            // It may still be there, for the next time.
            told.unwrap_or_else(|why| {
                untold.push(why);
                true
            })
        });
        untold
    }
}

#[cfg(test)]
mod tests {
    use forkyard_shm::layout::Shape;

    use super::super::kind::{EventKind, MutexKind, QueueKind};
    use super::super::wait::StatePark;
    use super::*;
    use crate::bootstrap::identity;
    use crate::mapped::{PoolMemory, attach_arena, laid_bytes};

    const WORKER: OwnerIndex = OwnerIndex::new(1);

    /// The memory of a pool without processes, as its supervisor and one worker have it.
    fn pool() -> (PoolMemory, RawArena, RawArena) {
        let shape = Shape {
            workers: 1,
            slots: 2,
        };
        let memory = PoolMemory::create(shape, identity()).unwrap();
        let attach = |owner| attach_arena(memory.control(), memory.name(), owner);
        let (supervisor, worker) = (attach(OwnerIndex::SUPERVISOR), attach(WORKER));
        (memory, supervisor, worker)
    }

    fn make<K: Kind>(arena: &RawArena, count: usize) -> Laid<K> {
        Laid::make(arena.alloc(laid_bytes::<K>(count)).unwrap(), count).unwrap()
    }

    #[test]
    fn who_expects_something_else_is_refused() {
        let (_memory, supervisor, worker) = pool();
        let queue = make::<QueueKind<u32>>(&supervisor, 5);
        let named = queue.descriptor();
        let met = Laid::<QueueKind<u32>>::meet(&worker, &named).unwrap();
        assert_eq!((met.count(), met.owner()), (5, WORKER));
        let other = Laid::<QueueKind<u64>>::meet(&worker, &named).err();
        assert!(matches!(
            other,
            Some(MeetError::Other { item_bytes: 4, .. })
        ));
        assert!(Laid::<EventKind>::meet(&worker, &named).is_err());
        // A descriptor that names less than there is leads to nothing beyond it.
        for len in [335, 64, 10, 0] {
            let short = Descriptor { len, ..named };
            let cut = Laid::<QueueKind<u32>>::meet(&worker, &short).err();
            assert!(matches!(cut, Some(MeetError::Place(_))), "{len}: {cut:?}");
        }
        let inner = Descriptor {
            offset: 64,
            len: named.len - 64,
            ..named
        };
        let within = Laid::<QueueKind<u32>>::meet(&worker, &inner).err();
        assert!(matches!(within, Some(MeetError::Part(64))));
    }

    #[test]
    fn a_death_is_told_though_the_supervisor_has_no_handle() {
        let (_memory, supervisor, worker) = pool();
        let registry = Registry::default();
        let made = make::<MutexKind<u64>>(&supervisor, 1);
        registry.enter(&supervisor, &made).unwrap();
        let met = Laid::<MutexKind<u64>>::meet(&worker, &made.descriptor()).unwrap();
        drop(made);
        core::mem::forget(met.get().lock(WORKER, &StatePark).unwrap());
        let nobody = registry.give_back(&supervisor, OwnerIndex::new(2));
        assert!(nobody.is_empty(), "{nobody:?}");
        assert_eq!(registry.list().entries.len(), 1);
        assert!(registry.give_back(&supervisor, WORKER).is_empty());
        assert_eq!(
            met.get().lock(WORKER, &StatePark).unwrap_err().owner,
            WORKER
        );
        drop(met);
        assert_eq!(
            supervisor.stats().live_blocks,
            0,
            "the registry holds nothing"
        );
        assert!(registry.give_back(&supervisor, WORKER).is_empty());
        assert_eq!(registry.list().entries.len(), 0, "and forgets it");
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let (_memory, supervisor, _worker) = pool();
        let registry = Registry::default();
        let kept = make::<EventKind>(&supervisor, 1);
        registry.enter(&supervisor, &kept).unwrap();
        for _ in 0..10 * FIRST_LOOK {
            let made = make::<EventKind>(&supervisor, 1);
            registry.enter(&supervisor, &made).unwrap();
        }
        assert!(registry.list().entries.len() <= FIRST_LOOK);
        assert!(registry.end(&supervisor).is_empty());
        assert!(kept.get().wait(&StatePark).is_err());
        assert_eq!(registry.enter(&supervisor, &kept), Err(Ended));
    }
}
