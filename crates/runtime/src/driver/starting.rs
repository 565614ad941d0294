//! Seats between two processes: making ready for the next.

use std::sync::atomic::Ordering;

use forkyard_os::clock::now_ns;

use super::{Core, Driver, Link};
use crate::{CheckEvery, Transport};

impl Driver {
    /// Clears a seat's page for its next process, whose generation is returned.
    pub(super) fn prepare(&mut self, core: &Core, index: usize) -> Result<u32, String> {
        let page = core.control.page(index);
        page.reset();
        let seat = &mut self.seats[index];
        if let Link::Pipe(pipe) = &mut seat.link {
            let name = pipe.listen().map_err(|error| error.to_string())?;
            if !page.link.set(&name) {
                return Err(format!(
                    "the pipe's name is too long, make TMPDIR shorter: {name}"
                ));
            }
        }
        if seat.started {
            seat.generation += 1;
        }
        seat.started = true;
        seat.start_timed_out = false;
        seat.last = (0, 0, 0);
        seat.taken = 0;
        seat.idle = (0, None);
        seat.is_unheard = false;
        seat.is_watched = false;
        seat.orphaned_at = None;
        // All of them each time: the last process here could write over its page.
        let orders = &page.orders;
        let copy_path = core.options.transport == Transport::Copy;
        let check_every = match core.options.check_every {
            CheckEvery::Auto => 0,
            CheckEvery::Iterations(n) => n.get(),
        };
        orders
            .copy_path
            .store(u32::from(copy_path), Ordering::Relaxed);
        orders.check_every.store(check_every, Ordering::Relaxed);
        let most = core.options.lifecycle.recycle_after_growth.unwrap_or(0);
        let most_kib = u32::try_from(most.div_ceil(1024)).unwrap_or(u32::MAX);
        orders.most_growth_kib.store(most_kib, Ordering::Relaxed);
        orders.generation.store(seat.generation, Ordering::Relaxed);
        page.setup.set(&core.setup().place);
        orders.spawned_ns.store(now_ns(), Ordering::Relaxed);
        let generation = seat.generation;
        self.note_change(core);
        Ok(generation)
    }
}
