//! Futures that are given up, in tokio: their tasks are cancelled if they were asked to be.

use std::time::Duration;

use forkyard::{Pool, TaskError, Transport};

forkyard::test_support!();

/// Runs until it is asked to stop.
fn watchful(_: ()) {
    while !forkyard::context().is_stopped() {}
}

/// A pool of which no task is killed for not stopping soon enough.
fn pool(transport: Transport) -> Pool {
    let builder = Pool::builder().workers(2).transport(transport);
    let builder = builder.task_grace(Duration::from_secs(600));
    builder.build().expect("a pool can be built")
}

fn on_both_paths(run: &impl AsyncFn(&Pool)) {
    for transport in [Transport::Shared, Transport::Copy] {
        let pool = pool(transport);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.expect("a runtime").block_on(run(&pool));
        // It ends, so nothing runs that would never stop.
        let report = pool.close();
        assert_eq!(report.died(), 0, "{report:#?}");
    }
}

#[test]
fn the_branch_that_loses_is_cancelled() {
    on_both_paths(&async |pool| {
        for _ in 0..5 {
            let endless = pool.submit(watchful, ()).cancel_on_drop();
            let quick = pool.submit(|n: u64| n + 1, 1).cancel_on_drop();
            tokio::select! {
                lost = endless => panic!("it does not end: {lost:?}"),
                won = quick => assert_eq!(won, Ok(2)),
            }
        }
    });
}

#[test]
fn a_future_that_is_over_time_is_cancelled() {
    on_both_paths(&async |pool| {
        let endless = pool.submit(watchful, ()).cancel_on_drop();
        let over = tokio::time::timeout(Duration::from_millis(5), endless).await;
        assert!(over.is_err());
    });
}

#[test]
fn what_is_awaited_can_be_cancelled() {
    on_both_paths(&async |pool| {
        let endless = pool.submit(watchful, ());
        let cancel = endless.cancel_handle();
        let stop = async {
            tokio::task::yield_now().await;
            cancel.cancel()
        };
        let (result, was_cancelled) = tokio::join!(endless, stop);
        assert_eq!((result, was_cancelled), (Err(TaskError::Cancelled), true));
    });
}
