//! A message is run by its worker, or surely not.

use loom::sync::Arc;
use loom::thread;

use super::explore;
use crate::skips::Skips;
use crate::sync::AtomicU64;

/// What the supervisor is told was not begun, the worker does not run.
#[test]
fn skips_what_is_not_begun_is_not_run() {
    explore(None, || {
        let shared = Arc::new((Skips::default(), AtomicU64::new(0)));
        let at_worker = Arc::clone(&shared);
        let worker = thread::spawn(move || {
            let (skips, begun) = &*at_worker;
            [1, 2, 3].map(|number| skips.begin(number, begun))
        });
        let (skips, begun) = &*shared;
        let first = skips.ask(Skips::bit(2), begun);
        let second = skips.ask(Skips::bit(2) | Skips::bit(3), begun);
        let run = worker.join().expect("no panic");
        assert!(run[0]);
        assert!(first >= 2 || !run[1], "the second was run");
        assert!(second >= 3 || !run[2], "the third was run");
    });
}
