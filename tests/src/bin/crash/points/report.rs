//! What the processes of a trial tell each other, in memory that outlives any of them.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::memory::Memory;

/// Words for a trial's own use.
const NOTES: usize = 64;
/// Where a victim died, as text.
const PLACE_WORDS: usize = 32;
const WORDS: usize = NOTES + PLACE_WORDS + 2;

/// One for the program; cleared before each trial.
pub(crate) struct Report {
    memory: Memory,
}

impl Report {
    pub(crate) fn get() -> &'static Self {
        static REPORT: OnceLock<Report> = OnceLock::new();
        REPORT.get_or_init(|| Self {
            memory: Memory::new(WORDS * size_of::<AtomicU64>()),
        })
    }

    pub(crate) fn clear(&self) {
        for word in self.memory.words() {
            word.store(0, Ordering::SeqCst);
        }
    }

    /// A word for the trial's own use.
    pub(crate) fn note(&self, number: usize) -> &AtomicU64 {
        assert!(number < NOTES);
        &self.memory.words()[number]
    }

    /// How many steps a victim has survived.
    pub(crate) fn steps(&self) -> &AtomicU64 {
        &self.memory.words()[NOTES]
    }

    /// How often a peer went to sleep.
    pub(crate) fn sleeps(&self) -> &AtomicU64 {
        &self.memory.words()[NOTES + 1]
    }

    fn place(&self) -> &[AtomicU64] {
        &self.memory.words()[NOTES + 2..][..PLACE_WORDS]
    }

    /// The last words of a victim.
    pub(crate) fn set_place(&self, at: &Location<'_>) {
        let text = format!("{}:{}", at.file(), at.line());
        let mut bytes = [0; PLACE_WORDS * 8];
        let len = text.len().min(bytes.len());
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        for (word, chunk) in self.place().iter().zip(bytes.chunks_exact(8)) {
            let chunk = chunk.try_into().expect("eight bytes");
            word.store(u64::from_ne_bytes(chunk), Ordering::SeqCst);
        }
    }

    /// Where it died.
    pub(crate) fn place_text(&self) -> String {
        let bytes: Vec<u8> = self
            .place()
            .iter()
            .flat_map(|word| word.load(Ordering::SeqCst).to_ne_bytes())
            .take_while(|byte| *byte != 0)
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// What is being tried, for a failure to name.
static NOW: Mutex<String> = Mutex::new(String::new());

/// Notes what is being tried.
pub(crate) fn now(structure: &str, operation: &str, role: &str, at: u64) {
    let mut now = NOW.lock().unwrap_or_else(PoisonError::into_inner);
    *now = format!("{structure}, {operation}, as {role}, step {at}");
}

/// Has every failure, in whatever process, say what was being tried.
pub(crate) fn tell_where_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let now = NOW.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Report::get().place_text();
        eprintln!("crash point: {now} (the victim died at {place:?})");
        before(info);
    }));
}
