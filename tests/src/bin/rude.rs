//! A program that does not treat `forkyard::init()` as it should, in the way that its argument
//! names, or that does something else before it.
#![forbid(unsafe_code)]

use std::time::Duration;

use forkyard::{Pool, PoolBuilder};
use forkyard_os::process::WORKER_ARG;
use tests::gate;

fn main() {
    // Workers are started without the program's arguments, so the manner is in the environment.
    let manner = std::env::var("FY_MANNER").expect("a manner");
    let started_again = std::env::args().nth(1).as_deref() == Some(WORKER_ARG);
    gate::arrive("main");
    match manner.as_str() {
        "without" => {}
        "first-only" | "first-only-and-stays" => {
            if !started_again {
                forkyard::init();
            } else if manner == "first-only-and-stays" {
                gate::wait("never said");
            }
        }
        "threads" => {
            std::thread::spawn(|| gate::wait("never said"));
            forkyard::init();
        }
        "slow" => {
            if started_again {
                gate::wait("never said");
            }
            forkyard::init();
        }
        "dies" => {
            if started_again {
                std::process::exit(9);
            }
            forkyard::init();
        }
        "replacement-dies" => {
            replacement_dies();
            return;
        }
        other => panic!("there is no manner {other:?}"),
    }
    let builder = builder().workers(4);
    let builder = match manner.as_str() {
        "slow" | "first-only-and-stays" => builder.start_timeout(Duration::from_millis(300)),
        _ => builder,
    };
    match builder.build() {
        Err(error) => println!("error: {error}"),
        Ok(pool) => {
            assert_eq!(pool.submit(|n: u64| n, 1).join(), Ok(1));
            println!("built");
        }
    }
    println!("{}", tests::victim::SCENARIO_DONE);
}

/// For a pool on the way that the environment names.
fn builder() -> PoolBuilder {
    let named = |name| std::env::var(name).expect("a way");
    Pool::builder()
        .start_method(named("FY_METHOD").parse().expect("a start method"))
        .transport(named("FY_TRANSPORT").parse().expect("a transport"))
}

/// As many replacements as `FY_DEATHS` says end before they are ready.
fn replacement_dies() {
    let deaths: usize = std::env::var("FY_DEATHS")
        .ok()
        .and_then(|text| text.parse().ok())
        .expect("a number");
    if std::env::args().nth(1).as_deref() == Some(WORKER_ARG) {
        // The first is the worker that is there from the beginning.
        let before = gate::arrive("start");
        if (1..=deaths).contains(&before) {
            std::process::exit(9);
        }
    }
    forkyard::init();
    let pool = builder().workers(1).build().expect("a pool");
    let died = pool.submit(|()| std::process::exit(4), ()).join();
    let died: Result<(), _> = died;
    println!("the task: {}", died.expect_err("it died"));
    match pool.submit(|n: u64| n + 1, 1).join() {
        Ok(n) => println!("the next: {n}"),
        Err(error) => println!("the next: {error}"),
    }
    pool.close();
    println!("{}", tests::victim::SCENARIO_DONE);
}
