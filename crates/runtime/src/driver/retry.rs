//! Running a message again whose worker died with it.

use super::{Core, Driver};
use crate::error::{GaveUp, NotRetried, TaskError, WorkerDeath};
use crate::packing::Attached;
use crate::parcel::{Extra, Ready, Ticket};
use crate::trace;

impl Driver {
    /// The `nth` message in flight of a dead worker, which it had begun, to be sent again; or
    /// what it ends with.
    pub(super) fn run_again(
        &mut self,
        core: &Core,
        (index, nth): (usize, usize),
        ticket: Ticket,
        extra: Option<Box<Extra>>,
        death: WorkerDeath,
    ) -> Result<Ready, TaskError> {
        let batch = self.batches.get(ticket.batch as usize);
        let terms = batch.map(|batch| batch.terms).unwrap_or_default();
        let most = terms.retries();
        if most == 0 {
            return Err(TaskError::WorkerDied(Box::new(death)));
        }
        let mut extra = extra.unwrap_or_default();
        extra.earlier.push(death);
        let give_up = |deaths: &mut Vec<WorkerDeath>, why| {
            let deaths = std::mem::take(deaths);
            Err(TaskError::GaveUp(Box::new(GaveUp { deaths, why })))
        };
        if extra.earlier.len() > most as usize {
            return give_up(&mut extra.earlier, NotRetried::Spent);
        }
        if terms.in_place {
            return give_up(&mut extra.earlier, NotRetried::ArgumentLost);
        }
        let moved = |attached: &Attached| !matches!(attached, Attached::Shared(_));
        if extra.attached.iter().any(moved) {
            return give_up(&mut extra.earlier, NotRetried::ArgumentMoved);
        }
        let task = self.seats[index].link.begun_task(nth);
        match task.filter(|parcel| self.is_intact(&ticket, parcel)) {
            Some(mut parcel) => {
                parcel.keep(Some(extra));
                trace::again(core, &ticket);
                Ok(Ready { ticket, parcel })
            }
            None => give_up(&mut extra.earlier, NotRetried::ArgumentLost),
        }
    }
}
