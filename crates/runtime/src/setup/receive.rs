//! The worker's side: reading the settings, and doing what they say.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use forkyard_os::process::set_name;
use forkyard_os::{cpus, limits};
use forkyard_shm::layout::{SetupPlace, WorkerPage};
use forkyard_wire::codec;

use super::hook::Call;
use super::settings::{Head, Part, hash};
use crate::arena::{Block, Descriptor, RawArena, Unpacking};
use crate::trampoline;
use crate::worker::cores;

/// What a worker has from its pool's settings, to its end.
#[derive(Default)]
pub(crate) struct Received {
    head: Head,
    block: Option<Block>,
    provided: Vec<&'static (dyn Any + Send + Sync)>,
    /// Processors that this process could use before it was bound to one, if it was.
    cores: Option<u32>,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl Received {
    /// Reads the settings for this worker and does what they say of its process.
    ///
    /// # Errors
    /// Why this worker must not start, for whoever builds or uses the pool.
    pub(crate) fn from(
        page: &WorkerPage,
        arena: &Arc<RawArena>,
        index: usize,
    ) -> Result<Self, String> {
        let place = page.setup.get();
        super::enter_level(place.levels);
        let mut received = Self::default();
        if place.head_bytes == 0 {
            return Ok(received);
        }
        let (head, block) = read(&place, arena)?;
        received.head = head;
        received.cores = received.head.pinned.then(cores);
        received.apply(index)?;
        // Handles of shared state and data are found in the arena.
        let _unpacking = Unpacking::from(arena);
        for part in &received.head.provided {
            let mut call = Call {
                input: part_of(&block, part)?,
                provided: None,
            };
            let hook = trampoline::hook_of_settings(part.entry);
            hook(&mut call).map_err(|why| {
                format!("a value that the pool provides cannot be decoded: {why}")
            })?;
            received.provided.extend(call.provided);
        }
        received.block = Some(block);
        Ok(received)
    }

    /// Does what is said of the process.
    fn apply(&self, index: usize) -> Result<(), String> {
        if let Some(name) = &self.head.name {
            set_name(&process_name(name, index));
        }
        if let Some(nice) = self.head.nice {
            limits::set_nice(nice).map_err(|error| {
                format!("nice({nice}): {error}; only root may go below what the process has")
            })?;
        }
        if self.head.pinned {
            let allowed = cpus::allowed();
            if let Some(cpu) = allowed.get(index % allowed.len().max(1)) {
                cpus::pin(*cpu).map_err(|error| format!("pin_workers: cpu {cpu}: {error}"))?;
            }
        }
        for (limit, most) in self.head.limits.all() {
            limits::set_limit(limit, most).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Processors that the pool's workers may use together: for those that wait, the others are
    /// at work beside them, whatever each is bound to.
    pub(crate) fn cores(&self) -> u32 {
        self.cores.unwrap_or_else(cores)
    }

    /// The pool's name.
    pub(crate) fn pool_name(&self) -> Option<&str> {
        self.head.name.as_deref()
    }

    /// The value of that type that the pool provides, the first if there are several.
    pub(crate) fn provided<T: 'static>(&self) -> Option<&'static T> {
        self.provided
            .iter()
            .find_map(|value| value.downcast_ref::<T>())
    }

    pub(crate) fn has_initializer(&self) -> bool {
        self.head.initializer.is_some()
    }

    /// Runs the initializer.
    ///
    /// # Errors
    /// Why it failed.
    pub(crate) fn initialize(&self) -> Result<(), String> {
        let (Some(part), Some(block)) = (&self.head.initializer, &self.block) else {
            return Ok(());
        };
        let mut call = Call {
            input: part_of(block, part)?,
            provided: None,
        };
        trampoline::hook_of_settings(part.entry)(&mut call)
    }

    /// Runs the finalizer. Nobody waits for what it says but who reads the error output.
    pub(crate) fn finish(&self, index: usize) {
        let Some(entry) = self.head.finalizer else {
            return;
        };
        if let Err(why) = trampoline::hook_of_settings(entry)(&mut Call::default()) {
            let pool = self.pool_name().map(|name| format!(" of pool {name:?}"));
            let pool = pool.unwrap_or_default();
            eprintln!("forkyard: the finalizer failed in worker {index}{pool}: {why}");
        }
    }
}

/// As much of the pool's name as leaves room for the worker's index: systems keep 15 bytes.
fn process_name(pool: &str, index: usize) -> String {
    let index = format!("-{index}");
    let mut end = pool.len().min(15 - index.len());
    while !pool.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{index}", &pool[..end])
}

fn read(place: &SetupPlace, arena: &RawArena) -> Result<(Head, Block), String> {
    let descriptor: Descriptor = bytemuck::cast(place.place);
    let block = arena
        .resolve(&descriptor)
        .map_err(|fault| format!("the pool's settings cannot be found: {fault}"))?;
    // A copy: what is checked is what is used, whoever writes over the block meanwhile.
    let head = usize::try_from(place.head_bytes)
        .ok()
        .and_then(|len| block.as_slice().get(..len))
        .ok_or("the pool's settings are shorter than they say")?
        .to_vec();
    if hash(&head) != place.head_hash {
        return Err("the pool's settings are not what they were: a worker wrote over them".into());
    }
    let head = codec::decode(&head)
        .map_err(|error| format!("the pool's settings cannot be decoded: {error}"))?;
    Ok((head, block))
}

fn part_of<'a>(block: &'a Block, part: &Part) -> Result<&'a [u8], String> {
    let range = || {
        let start = usize::try_from(part.at).ok()?;
        let end = start.checked_add(usize::try_from(part.len).ok()?)?;
        block.as_slice().get(start..end)
    };
    range().ok_or_else(|| "the pool's settings name bytes that they do not have".to_owned())
}

#[cfg(test)]
mod tests {
    use forkyard_shm::OwnerIndex;
    use forkyard_shm::layout::Shape;

    use super::super::Sent;
    use super::*;
    use crate::bootstrap::identity;
    use crate::mapped::{PoolMemory, attach_arena};

    #[test]
    fn settings_that_are_not_the_supervisors_are_refused() {
        let shape = Shape {
            workers: 1,
            slots: 2,
        };
        let memory = PoolMemory::create(shape, identity()).unwrap();
        let attach = |owner| attach_arena(memory.control(), memory.name(), owner);
        let (supervisor, worker) = (attach(OwnerIndex::SUPERVISOR), attach(OwnerIndex::new(1)));
        let sent = Sent {
            head: Head {
                name: Some("pool".to_owned()),
                nice: Some(3),
                ..Head::default()
            },
            levels: 1,
            initializer: Some((77, vec![1, 2, 3])),
            provided: Vec::new(),
        };
        let kept = sent.keep(&supervisor).unwrap();
        let place = kept.place;
        let (head, block) = read(&place, &worker).unwrap();
        assert_eq!((head.name.as_deref(), head.nice), (Some("pool"), Some(3)));
        let part = head.initializer.unwrap();
        assert_eq!(part.entry, 77);
        assert_eq!(part_of(&block, &part), Ok(&[1, 2, 3][..]));
        for (at, len) in [(part.at, 4), (part.at + 1, 3), (u64::MAX, 1), (0, u64::MAX)] {
            assert!(part_of(&block, &Part { at, len, ..part }).is_err());
        }
        let refused = |place: SetupPlace| read(&place, &worker).map(drop).unwrap_err();
        let mut other = place;
        other.head_hash ^= 1;
        assert!(refused(other).contains("wrote over"));
        for head_bytes in [
            1,
            place.head_bytes - 1,
            place.head_bytes + 1,
            1 << 40,
            u64::MAX,
        ] {
            refused(SetupPlace {
                head_bytes,
                ..place
            });
        }
        for word in 0..4 {
            let mut other = place;
            other.place[word] ^= 1 << 40 | 1;
            refused(other);
        }
        drop(block);
        drop(kept);
        assert_eq!(supervisor.stats().live_blocks, 0);
        refused(place);
    }

    #[test]
    fn a_pool_that_says_nothing_takes_no_memory() {
        let shape = Shape {
            workers: 1,
            slots: 2,
        };
        let memory = PoolMemory::create(shape, identity()).unwrap();
        let arena = attach_arena(memory.control(), memory.name(), OwnerIndex::SUPERVISOR);
        let sent = Sent {
            head: Head::default(),
            levels: 2,
            initializer: None,
            provided: Vec::new(),
        };
        let kept = sent.keep(&arena).unwrap();
        let wanted = SetupPlace {
            levels: 2,
            ..SetupPlace::default()
        };
        assert_eq!(kept.place, wanted);
        assert_eq!(arena.stats().reserved_bytes, 0);
    }

    #[test]
    fn a_workers_name_ends_with_its_index() {
        assert_eq!(process_name("resize", 3), "resize-3");
        assert_eq!(process_name("a name that is long", 254), "a name that-254");
        assert_eq!(process_name("ääääääääää", 12), "ääääää-12");
    }
}
