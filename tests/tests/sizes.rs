//! Promise: nothing, one, many, small and large are all the same; what is too large is a typed
//! error that names the limit, and the pool works on.
#![forbid(unsafe_code)]

use std::time::Duration;

use forkyard_os::limits::shm_free;
use tests::shm::in_shm_of;
use tests::victim;

const LARGE_BYTES: u64 = 300 << 20;
const GIB: u64 = 1 << 30;
const HUGE_BYTES: u64 = 2_200 << 20;

tests::on_both_paths! {
    case_22_any_number_of_tasks_will_do => |way| victim!(way, "sizes/counts").passes();
    case_22_any_chunk_size_will_do => |way| victim!(way, "sizes/chunks").passes();
    case_17_a_timeout_in_the_middle_loses_nothing => |way| victim!(way, "sizes/timeout").passes();
    case_17_map_keeps_the_order => |way| victim!(way, "sizes/order").passes();
    any_length_will_do => |way| victim!(way, "sizes/edges").passes();
    /// On the shared path one of a GiB, where there is room for it.
    case_18_a_large_message_arrives => |way| {
        // In shared memory once, and in each of the two processes.
        let has_room = shm_free().is_some_and(|shm| shm.free > 4 * GIB);
        let bytes = if way.is_shared() && has_room { GIB } else { LARGE_BYTES };
        if way.is_shared() && !has_room {
            eprintln!("skipped: no room in /dev/shm for a GiB; {bytes} bytes instead");
        }
        victim!(way, "sizes/large").arg(bytes).deadline(Duration::from_secs(120)).passes();
    };
    case_19_many_tasks_need_few_descriptors => |way| {
        victim!(way, "sizes/queued").after("ulimit -n 256").passes();
    };
    a_pool_keeps_its_limit => |way| victim!(way, "sizes/over-the-limit").passes();
    case_21_without_room_no_pool_is_built => |way| in_shm_of("64k", victim!(way, "sizes/tiny-shm"));
    case_21_with_little_room_large_messages_are_refused => |way| {
        in_shm_of("12m", victim!(way, "sizes/small-shm"));
    };
}

#[test]
#[ignore = "needs 10 GB of memory; run it alone, with --ignored"]
fn case_18_a_huge_message_arrives_by_copy() {
    let way = tests::Way::named("copy", "spawn");
    let victim = victim!(way, "sizes/large").arg(HUGE_BYTES);
    victim.deadline(Duration::from_secs(600)).passes();
}

#[test]
#[ignore = "needs 10 GB of memory; run it alone, with --ignored"]
fn case_18_a_huge_message_arrives_by_shared_memory() {
    let way = tests::Way::named("shared", "spawn");
    let victim = victim!(way, "sizes/large").arg(HUGE_BYTES);
    victim.deadline(Duration::from_secs(600)).passes();
}
