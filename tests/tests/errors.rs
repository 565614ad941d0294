//! Promise: a value that fails to cross, or a task that panics, is that task's error and nobody
//! else's; the pool works on.
#![forbid(unsafe_code)]

use tests::{Way, victim};

/// A value that goes off at that place on its way, in every manner, alone and among others.
fn touchy(way: Way, place: &str) {
    victim!(way, "values/touchy").arg(place).passes();
}

tests::on_every_way! {
    case_01_encoding_an_argument_fails_or_panics => |way| touchy(way, "encode-argument");
    case_02_decoding_in_the_worker_fails_panics_exits_or_is_killed => |way| {
        touchy(way, "decode-argument");
    };
    case_05_encoding_a_result_fails_panics_exits_or_is_killed => |way| touchy(way, "encode-result");
    case_06_decoding_a_result_fails_or_panics => |way| touchy(way, "decode-result");
    case_12_a_panic_is_told_and_survived => |way| victim!(way, "values/panics").passes();
    case_12_a_panic_has_its_backtrace_when_asked_for => |way| {
        victim!(way, "values/backtrace").env("RUST_BACKTRACE", 1).passes();
    };
}

tests::on_both_paths! {
    long_errors_arrive_whole => |way| victim!(way, "values/long-errors").passes();
    an_aborted_pool_refuses_by_name => |way| victim!(way, "values/after-the-end").passes();
    threads_share_a_pool => |way| victim!(way, "threads/together").passes();
    an_iterator_may_use_the_pool_it_feeds => |way| victim!(way, "threads/nested").passes();
    nested_messages_keep_their_own_blocks => |way| victim!(way, "threads/nested-shared").passes();
    an_iterator_that_panics_harms_nobody => |way| victim!(way, "threads/iterator-panics").passes();
    searches_of_threads_take_turns => |way| victim!(way, "threads/searches").passes();
    /// A task that lies behind a long one is taken back from it.
    short_tasks_do_not_wait_for_long_ones => |way| victim!(way, "threads/long-and-short").passes();
}
