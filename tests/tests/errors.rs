//! Promise: a value that fails to cross, or a task that panics, is that task's error and nobody
//! else's; the pool works on.
#![forbid(unsafe_code)]

use tests::victim;

tests::on_every_way! {
    /// Encoding and decoding, of arguments and results, that fail, panic, exit or are killed.
    a_touchy_value_hurts_only_itself => |way| victim!(way, "values/touchy").passes();
    a_panic_is_told_and_survived => |way| victim!(way, "values/panics").passes();
}

tests::on_both_paths! {
    long_errors_arrive_whole => |way| victim!(way, "values/long-errors").passes();
    an_aborted_pool_refuses_by_name => |way| victim!(way, "values/after-the-end").passes();
    threads_share_a_pool => |way| victim!(way, "threads/together").passes();
    an_iterator_may_use_the_pool_it_feeds => |way| victim!(way, "threads/nested").passes();
    nested_messages_keep_their_own_blocks => |way| victim!(way, "threads/nested-shared").passes();
    an_iterator_that_panics_harms_nobody => |way| victim!(way, "threads/iterator-panics").passes();
    searches_of_threads_take_turns => |way| victim!(way, "threads/searches").passes();
}

/// A task that lies behind a long one is taken back from it. (Only from lanes: what is in a pipe
/// is out of reach.)
#[test]
fn short_tasks_do_not_wait_for_long_ones() {
    let way = tests::Way::named("shared", "spawn");
    victim!(way, "threads/long-and-short").passes();
}
