//! Following a pool in the terminal.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use forkyard::PoolStats;
use forkyard::inspect::Inspected;
use forkyard_measure::Live;
use forkyard_measure::units::{counted, duration};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::exit::Exit;
use crate::output::{complain, write_stdout};
use crate::signals::Ignored;

/// How long a signal to end, or the end of the pool, may go unnoticed.
const HEARING: Duration = Duration::from_millis(100);

/// Why it is no longer followed.
enum Ended {
    /// Whoever watched has seen enough.
    Quit,
    /// There is nothing to see any more.
    PoolGone,
    /// A signal said so.
    Told,
}

/// Shows the pool until it ends, or somebody has seen enough. The terminal is given back as it was,
/// also after a panic.
pub(super) fn watch(pool: &Inspected, interval: Duration, colour: bool) -> Exit {
    let told = Arc::new(AtomicBool::new(false));
    for signal in Ignored::now().others(&[SIGINT, SIGTERM, SIGHUP]) {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(&told)) {
            complain(format!("signals cannot be handled: {error}"));
            return Exit::Environment;
        }
    }
    let mut live = Live::new(pool.stats(), colour);
    // Its panic hook restores the terminal.
    let followed = ratatui::try_init()
        .and_then(|mut terminal| follow(&mut terminal, &mut live, pool, interval, &told));
    let restored = ratatui::try_restore();
    match followed.and_then(|ended| restored.map(|()| ended)) {
        Ok(Ended::Quit) => Exit::Success,
        Ok(Ended::Told) => Exit::Interrupted,
        Ok(Ended::PoolGone) => super::super::ended(write_stdout(epitaph(live.stats()).as_bytes())),
        Err(error) => {
            complain(format!("the terminal cannot be used: {error}"));
            Exit::Environment
        }
    }
}

fn epitaph(stats: &PoolStats) -> String {
    format!(
        "the pool of {} in process {} has ended; at the last look it was up {} and had done {}\n",
        stats.name,
        stats.pid,
        duration(stats.uptime),
        counted(stats.tasks, "task", "tasks"),
    )
}

fn follow(
    terminal: &mut DefaultTerminal,
    live: &mut Live,
    pool: &Inspected,
    interval: Duration,
    told: &AtomicBool,
) -> io::Result<Ended> {
    // The second look comes soon: only then rates are of now.
    let mut next = Instant::now() + interval.min(Duration::from_millis(250));
    loop {
        terminal.draw(|frame| live.draw(frame))?;
        let mut redraw = false;
        while !redraw {
            if told.load(Ordering::Relaxed) {
                return Ok(Ended::Told);
            }
            // The next look may be an hour away.
            if !pool.is_alive() {
                return Ok(Ended::PoolGone);
            }
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                live.update(pool.stats());
                next = Instant::now() + interval;
                break;
            }
            if !heard(left.min(HEARING))? {
                continue;
            }
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match pressed(key) {
                    Some(0) => return Ok(Ended::Quit),
                    Some(rows) => {
                        live.scroll(rows);
                        redraw = true;
                    }
                    None => {}
                },
                Event::Resize(..) => redraw = true,
                _ => {}
            }
        }
    }
}

/// Whether there is an event, after so long at most. An interrupted wait is none.
fn heard(most: Duration) -> io::Result<bool> {
    match event::poll(most) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        other => other,
    }
}

/// What a key asks for: so many rows down the list, or zero for the end.
fn pressed(key: KeyEvent) -> Option<isize> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Some(0),
        KeyCode::Char('c') if control => Some(0),
        KeyCode::Down | KeyCode::Char('j') => Some(1),
        KeyCode::Up | KeyCode::Char('k') => Some(-1),
        KeyCode::PageDown => Some(10),
        KeyCode::PageUp => Some(-10),
        _ => None,
    }
}
