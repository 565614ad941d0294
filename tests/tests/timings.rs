//! Promise: for each worker, wall time is the sum of its stages but for 2 %, on both paths, also
//! of workers that died.
#![forbid(unsafe_code)]

use tests::victim;

tests::on_every_way! {
    stages_add_up_to_the_wall => |way| victim!(way, "timings/add-up").passes();
    stages_of_the_dead_add_up => |way| victim!(way, "timings/of-the-dead").passes();
}

tests::on_both_paths! {
    tasks_and_bytes_are_counted => |way| victim!(way, "timings/count").passes();
}
