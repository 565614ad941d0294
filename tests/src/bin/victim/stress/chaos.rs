//! Who kills: at random moments, down to nanoseconds, so that deaths land inside of operations and
//! not only where workers wait.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fastrand::Rng;
use forkyard_os::process::Signal;
use tests::patience::{LIVENESS, observe_for, until};
use tests::victim::send;

use super::herd::Herd;
use super::watch::Pulse;

/// What chaos does.
const RAGES: u8 = 0;
const IS_ASKED_TO_REST: u8 = 1;
const RESTS: u8 = 2;
const IS_OVER: u8 = 3;

/// A pause up to so long is spun, for the sake of the nanoseconds.
const SPUN: Duration = Duration::from_micros(200);
/// So many are killed while the pool ends, which it could not else.
const MOST_IN_THE_END: usize = 20;
/// How long a worker is stopped at most.
const STOPPED: Duration = Duration::from_millis(60);

/// What others see of the one who kills.
#[derive(Debug)]
pub(super) struct Chaos {
    mood: AtomicU8,
    /// After so many kills the load may end.
    goal: usize,
    /// One worker is left alone.
    spares_one: bool,
    kills: AtomicUsize,
    /// Noted before the signal is sent, so that every death can be looked up here.
    killed: Mutex<HashSet<i32>>,
    /// How the killed stood a moment before, by the kernel's letter.
    stood: Mutex<BTreeMap<char, usize>>,
    stops: AtomicUsize,
}

impl Chaos {
    pub(super) fn new(goal: usize, spares_one: bool) -> Self {
        Self {
            mood: AtomicU8::new(RAGES),
            goal,
            spares_one,
            kills: AtomicUsize::new(0),
            killed: Mutex::default(),
            stood: Mutex::default(),
            stops: AtomicUsize::new(0),
        }
    }

    /// How many were killed.
    pub(super) fn kills(&self) -> usize {
        self.kills.load(Ordering::Relaxed)
    }

    /// How often workers, or their zygote, were stopped.
    pub(super) fn stops(&self) -> usize {
        self.stops.load(Ordering::Relaxed)
    }

    pub(super) fn has_killed_enough(&self) -> bool {
        self.kills() >= self.goal
    }

    pub(super) fn has_killed(&self, pid: i32) -> bool {
        let killed = self.killed.lock().unwrap_or_else(PoisonError::into_inner);
        killed.contains(&pid)
    }

    /// How the killed stood, and how many of each.
    pub(super) fn stood(&self) -> BTreeMap<char, usize> {
        let stood = self.stood.lock().unwrap_or_else(PoisonError::into_inner);
        stood.clone()
    }

    /// No more signals, and nobody stopped, when this returns.
    pub(super) fn rest(&self) {
        self.mood.store(IS_ASKED_TO_REST, Ordering::SeqCst);
        until("chaos rests", LIVENESS, || {
            (self.mood.load(Ordering::SeqCst) == RESTS).then_some(())
        });
    }

    pub(super) fn rage(&self) {
        self.mood.store(RAGES, Ordering::SeqCst);
    }

    pub(super) fn end(&self) {
        self.mood.store(IS_OVER, Ordering::SeqCst);
    }

    /// Rages until the end. `longest` is the longest pause between two acts.
    pub(super) fn run(&self, rng: Rng, mut herd: Herd, longest: Duration, pulse: &Pulse) {
        let known: HashSet<i32> = herd.look().into_iter().collect();
        let mut fury = Fury {
            chaos: self,
            rng,
            herd,
            longest,
            stopped: Vec::new(),
            known,
            spared: None,
            most: self.goal,
        };
        if self.spares_one {
            fury.spared = fury.known.iter().next().copied();
        }
        loop {
            pulse.beat("chaos");
            match self.mood.load(Ordering::SeqCst) {
                RAGES => fury.act(),
                IS_ASKED_TO_REST => {
                    fury.let_go();
                    fury.most = self.kills() + MOST_IN_THE_END;
                    let _ = self.mood.compare_exchange(
                        IS_ASKED_TO_REST,
                        RESTS,
                        Ordering::SeqCst,
                        Ordering::SeqCst,
                    );
                }
                RESTS => observe_for(Duration::from_millis(1)),
                _ => break,
            }
        }
        fury.let_go();
        pulse.end();
    }
}

/// Chaos, from within.
struct Fury<'a> {
    chaos: &'a Chaos,
    rng: Rng,
    herd: Herd,
    longest: Duration,
    /// Who is stopped, and until when.
    stopped: Vec<(i32, Instant)>,
    /// Workers that were seen before.
    known: HashSet<i32>,
    spared: Option<i32>,
    /// Kills until there is nothing to disturb.
    most: usize,
}

impl Fury<'_> {
    fn act(&mut self) {
        self.wake_the_due();
        let mut workers = self.herd.look();
        workers.retain(|pid| Some(*pid) != self.spared);
        if self.chaos.kills() >= self.most {
            // In a pool that has nothing to do, one death after the other is a crash loop.
            workers.clear();
        }
        let Some(one) = self.rng.choice(&workers).copied() else {
            observe_for(Duration::from_micros(100));
            return;
        };
        match self.rng.u32(0..100) {
            0..55 => {
                self.pause(self.longest);
                self.kill(one);
            }
            55..70 => self.kill_a_newborn(),
            70..80 => {
                self.pause(self.longest);
                for pid in workers {
                    if self.rng.bool() {
                        self.kill(pid);
                    }
                }
            }
            80..95 => {
                self.pause(self.longest);
                if self.herd.check(one).is_some() {
                    self.stop(one);
                }
                if self.rng.bool() {
                    self.pause(self.longest);
                    self.kill(one);
                }
            }
            95..97 => {
                if let Some(zygote) = self.herd.zygote() {
                    self.stop(zygote);
                }
            }
            _ => {
                self.pause(self.longest);
                self.pause(self.longest);
            }
        }
    }

    /// A worker that was not there a moment ago: it is still starting, or has just begun.
    fn kill_a_newborn(&mut self) {
        for _ in 0..20 {
            let workers = self.herd.look();
            let newborn = workers.iter().find(|pid| !self.known.contains(pid));
            if let Some(newborn) = newborn.copied() {
                self.known = workers.into_iter().collect();
                self.pause(Duration::from_millis(4));
                self.kill(newborn);
                return;
            }
            self.known = workers.into_iter().collect();
        }
    }

    fn kill(&mut self, pid: i32) {
        let Some(now) = self.herd.check(pid) else {
            return;
        };
        let mut killed = (self.chaos.killed.lock()).unwrap_or_else(PoisonError::into_inner);
        if !killed.insert(pid) {
            return; // it is about to die, and is to be counted once
        }
        drop(killed);
        send(pid, Signal::Kill);
        self.stopped.retain(|(stopped, _)| *stopped != pid);
        self.chaos.kills.fetch_add(1, Ordering::Relaxed);
        let mut stood = (self.chaos.stood.lock()).unwrap_or_else(PoisonError::into_inner);
        *stood.entry(now.state).or_default() += 1;
    }

    fn stop(&mut self, pid: i32) {
        let until = Instant::now() + STOPPED.mul_f64(self.rng.f64());
        send(pid, Signal::Stop);
        self.stopped.push((pid, until));
        self.chaos.stops.fetch_add(1, Ordering::Relaxed);
    }

    fn wake_the_due(&mut self) {
        let now = Instant::now();
        self.stopped.retain(|(pid, until)| {
            if *until <= now {
                send(*pid, Signal::Cont);
            }
            *until > now
        });
    }

    /// Lets everybody who is stopped go on.
    fn let_go(&mut self) {
        for (pid, _) in self.stopped.drain(..) {
            send(pid, Signal::Cont);
        }
    }

    /// Lets some time pass, anything from nothing to `longest`, short as likely as long.
    fn pause(&mut self, longest: Duration) {
        let octaves = (longest.as_nanos() as f64).log2();
        let pause = Duration::from_nanos((self.rng.f64() * octaves).exp2() as u64);
        let end = Instant::now() + pause;
        if pause > SPUN {
            observe_for(pause - SPUN);
        }
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    }
}
