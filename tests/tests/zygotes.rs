//! Promise: a zygote is ended only when it is of no use, and nothing hangs on what it says.
#![forbid(unsafe_code)]

use tests::victim;

tests::on_ways! {
    a_zygote_that_told_of_a_death_is_kept [fork, forkserver] |way| {
        victim!(way, "zygotes/kept").passes();
    }
}

tests::on_ways! {
    a_child_of_the_preload_is_no_worker [fork, forkserver] |way| {
        victim!(way, "zygotes/preloaded-child").passes();
    }
}

tests::on_ways! {
    an_abort_does_not_wait_for_a_stopped_zygote [fork, forkserver] |way| {
        victim!(way, "zygotes/stopped").passes();
    }
}

tests::on_ways! {
    a_zygote_that_fails_takes_no_names_away [fork, forkserver] |way| {
        victim!(way, "zygotes/refused").passes();
    }
}
