//! The ways to hand a pool work.

mod handles;
mod items;
mod parts;
mod review;

use crate::Scenario;

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("calls/asked", handles::asked),
    ("calls/timeout", handles::timeout),
    ("calls/behind-a-long-task", handles::behind_a_long_task),
    ("calls/behind-unwatched", handles::behind_unwatched),
    ("calls/cancelled-queue", handles::cancelled_queue),
    ("calls/callbacks", handles::callbacks),
    ("calls/awaited", handles::awaited),
    ("calls/awaited-at-the-end", handles::awaited_at_the_end),
    ("calls/as-completed", handles::as_completed),
    ("calls/of-two-pools", handles::of_two_pools),
    ("calls/wait", handles::wait),
    ("calls/timed", handles::timed),
    ("calls/watched-deaths", handles::watched_deaths),
    ("calls/imap", items::imap),
    ("calls/imap-endless", items::imap_endless),
    ("calls/imap-large", items::imap_large),
    ("calls/imap-slow-head", items::imap_slow_head),
    ("calls/imap-timeout", items::imap_timeout),
    ("calls/imap-left", items::imap_left),
    ("calls/imap-errors", items::imap_errors),
    ("calls/queue-depth", items::queue_depth),
    ("calls/starmap", items::starmap),
    ("calls/map-with", items::map_with),
    ("calls/any-all", items::any_all),
    ("calls/reduce", items::reduce),
    ("calls/reduce-fails", items::reduce_fails),
    ("calls/parts", parts::parts),
    ("calls/parts-fail", parts::parts_fail),
    ("calls/parts-retried-never", parts::parts_retried_never),
    ("calls/parts-aborted", parts::parts_aborted),
    ("calls/chains", review::chains),
    ("calls/ended-by-callback", review::ended_by_callback),
    ("calls/joins-after-death", review::joins_after_death),
    ("calls/wakers-hold-tasks", review::wakers_hold_tasks),
    ("calls/waker-calls", review::waker_calls),
    ("calls/iterator-panics", review::iterator_panics),
    ("calls/neighbours", review::neighbours),
    ("calls/lent-is-returned", review::lent_is_returned),
    ("calls/asked-only", review::asked_only),
];
