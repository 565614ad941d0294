//! Promise: callbacks, wakers and iterators are users' code. Whatever they do, no lock is held
//! meanwhile, no thread that the pool needs is kept, and nobody gets another's result.
#![forbid(unsafe_code)]

use tests::victim;

tests::on_every_way! {
    a_pool_may_end_in_a_callback => |way| victim!(way, "calls/ended-by-callback").passes();
    a_callback_of_a_death_may_wait => |way| victim!(way, "calls/joins-after-death").passes();
}

tests::on_both_paths! {
    a_callback_set_by_a_waker_is_run => |way| victim!(way, "calls/waker-calls").passes();
    callbacks_do_not_nest => |way| victim!(way, "calls/chains").passes();
    wakers_are_dropped_without_the_lock => |way| victim!(way, "calls/wakers-hold-tasks").passes();
    an_iterator_that_panics_ends_there => |way| victim!(way, "calls/iterator-panics").passes();
    what_was_lent_is_returned => |way| victim!(way, "calls/lent-is-returned").passes();
    neighbours_are_combined => |way| victim!(way, "calls/neighbours").passes();
    who_only_asks_gets_past_a_long_task => |way| victim!(way, "calls/asked-only").passes();
}
