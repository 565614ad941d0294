//! The pipes from workers' standard error, and what came through each.

use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use forkyard_os::death::DeathWatch;
use forkyard_os::{OsError, stderr};

use super::tail::Tail;

/// Bytes read at a time.
const PIECE_BYTES: usize = 16 << 10;
/// Bytes taken from the line of one who is dead, at most: more than a pipe holds. What is there beyond, a process that
/// it has left behind goes on writing.
const MOST_OF_THE_DEAD: usize = 1 << 20;
/// Bytes of the dead that wait to be passed on, at most, while nobody reads the supervisor's standard error.
const MOST_WAITING: usize = 4 << 20;
/// How long the beginning of a line of text waits for its end, so that what two workers write is not mixed within a line:
/// a pipe that was full is emptied in the middle of one.
const UNFINISHED: Duration = Duration::from_millis(50);
/// Lines of the dead that processes which they have left behind hold open, at most.
const MOST_ORPHANED: usize = 16;

/// One worker's.
#[derive(Debug)]
struct Line {
    token: u64,
    index: usize,
    generation: u32,
    /// `None` when nobody can write to it any more.
    reader: Option<PipeReader>,
    tail: Tail,
    /// Read, and not passed on.
    waiting: Vec<u8>,
    /// Since when the beginning of a line of text has waited.
    unfinished_since: Option<Instant>,
    /// Its process is reaped.
    is_buried: bool,
}

/// All of a pool.
#[derive(Debug, Default)]
pub(super) struct Lines {
    all: Vec<Line>,
    last_token: u64,
    /// There will be no others.
    closed: bool,
}

impl Lines {
    /// A new line, for a process that is about to be started; its end to write to.
    pub(super) fn open(
        &mut self,
        watch: &DeathWatch,
        index: usize,
        generation: u32,
    ) -> Result<Option<OwnedFd>, OsError> {
        if self.closed {
            return Ok(None);
        }
        // The seat's last process may never have come to be.
        for line in self.all.iter_mut().filter(|line| line.index == index) {
            line.is_buried = true;
        }
        self.sweep(watch);
        let (reader, writer) = stderr::pipe()?;
        self.last_token += 1;
        watch.watch_fd(reader.as_fd(), self.last_token)?;
        self.all.push(Line {
            token: self.last_token,
            index,
            generation,
            reader: Some(reader),
            tail: Tail::default(),
            waiting: Vec::new(),
            unfinished_since: None,
            is_buried: false,
        });
        Ok(Some(writer))
    }

    /// Reads once from a line that can be read, and returns what is to be passed on now, and how long the rest may
    /// wait, if there is one.
    pub(super) fn read(
        &mut self,
        watch: &DeathWatch,
        token: u64,
        now: Instant,
    ) -> (Vec<u8>, Option<Duration>) {
        let Some(line) = self.all.iter_mut().find(|line| line.token == token) else {
            return (Vec::new(), None);
        };
        line.read(watch, PIECE_BYTES);
        (line.take_due(now), line.patience(now))
    }

    /// What is to be passed on, of all lines, and how long the next may wait.
    pub(super) fn due(&mut self, now: Instant) -> (Vec<u8>, Option<Duration>) {
        let mut all = Vec::new();
        let mut next = None;
        for line in &mut self.all {
            all.append(&mut line.take_due(now));
            next = next.into_iter().chain(line.patience(now)).min();
        }
        (all, next)
    }

    /// The end of what a process has written, which is gone. The rest of it waits to be passed on.
    pub(super) fn bury(&mut self, watch: &DeathWatch, index: usize, generation: u32) -> Arc<str> {
        let waiting: usize = self.all.iter().map(|line| line.waiting.len()).sum();
        let found = self
            .all
            .iter_mut()
            .find(|line| (line.index, line.generation) == (index, generation));
        let Some(line) = found else {
            return Arc::default();
        };
        line.is_buried = true;
        let before = line.waiting.len();
        line.read(watch, MOST_OF_THE_DEAD);
        if waiting + line.waiting.len() - before > MOST_WAITING {
            line.waiting.truncate(before);
        }
        let text = line.tail.text();
        self.sweep(watch);
        text
    }

    /// Reads what lies in all lines, and closes them.
    pub(super) fn close(&mut self, watch: &DeathWatch) -> Vec<u8> {
        self.closed = true;
        let mut all = Vec::new();
        for mut line in std::mem::take(&mut self.all) {
            line.read(watch, MOST_OF_THE_DEAD);
            all.append(&mut line.waiting);
            line.close(watch);
        }
        all
    }

    /// Forgets lines that have told everything, and those of the dead that are held open beyond the limit.
    fn sweep(&mut self, watch: &DeathWatch) {
        let is_orphaned = |line: &Line| line.is_buried && line.reader.is_some();
        let orphaned = self.all.iter().filter(|line| is_orphaned(line)).count();
        let too_many = orphaned.saturating_sub(MOST_ORPHANED);
        let oldest = self.all.iter_mut().filter(|line| is_orphaned(line));
        oldest.take(too_many).for_each(|line| line.close(watch));
        self.all
            .retain(|line| !line.is_buried || line.reader.is_some() || !line.waiting.is_empty());
    }
}

impl Line {
    /// Reads up to so many bytes of what is there.
    fn read(&mut self, watch: &DeathWatch, most: usize) {
        let mut piece = [0; PIECE_BYTES];
        let mut read = 0;
        while read < most {
            let Some(reader) = &mut self.reader else {
                return;
            };
            match reader.read(&mut piece) {
                Ok(0) => self.close(watch),
                Ok(count) => {
                    read += count;
                    self.tail.push(&piece[..count]);
                    self.waiting.extend_from_slice(&piece[..count]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.close(watch),
            }
        }
    }

    /// Whole lines of text, and others when they are old, or long, or will not be finished.
    fn take_due(&mut self, now: Instant) -> Vec<u8> {
        let whole = self.waiting.iter().rposition(|byte| *byte == b'\n');
        let whole = whole.map_or(0, |at| at + 1);
        let is_same = whole == 0;
        let since = self.unfinished_since.filter(|_| is_same).unwrap_or(now);
        let is_last = self.is_buried || self.reader.is_none();
        let is_long = self.waiting.len() - whole > PIECE_BYTES;
        let is_old = now.saturating_duration_since(since) >= UNFINISHED;
        if whole == self.waiting.len() || is_last || is_long || is_old {
            self.unfinished_since = None;
            return std::mem::take(&mut self.waiting);
        }
        self.unfinished_since = Some(since);
        let rest = self.waiting.split_off(whole);
        std::mem::replace(&mut self.waiting, rest)
    }

    /// How long the beginning of a line of text may still wait, if there is one.
    fn patience(&self, now: Instant) -> Option<Duration> {
        let since = self.unfinished_since?;
        Some(UNFINISHED.saturating_sub(now.saturating_duration_since(since)))
    }

    fn close(&mut self, watch: &DeathWatch) {
        if let Some(reader) = self.reader.take() {
            watch.unwatch_fd(reader.as_fd());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    fn line(lines: &mut Lines, watch: &DeathWatch, index: usize, generation: u32) -> File {
        let end = lines.open(watch, index, generation).expect("a pipe");
        File::from(end.expect("it is not closed"))
    }

    #[test]
    fn what_was_written_before_the_end_is_told_and_passed_on() {
        let watch = DeathWatch::new().expect("a watch");
        let mut lines = Lines::default();
        let mut writer = line(&mut lines, &watch, 3, 1);
        writer.write_all(b"first\n").expect("room");
        assert_eq!(lines.read(&watch, 1, Instant::now()).0, b"first\n");
        writer.write_all(b"last\n").expect("room");
        drop(writer);
        assert_eq!(&*lines.bury(&watch, 3, 0), "", "that was another process");
        assert_eq!(&*lines.bury(&watch, 3, 1), "first\nlast\n");
        assert_eq!(lines.due(Instant::now()).0, b"last\n");
        lines.sweep(&watch);
        assert!(lines.all.is_empty());
    }

    #[test]
    fn a_line_closed_early_keeps_its_tail() {
        let watch = DeathWatch::new().expect("a watch");
        let mut lines = Lines::default();
        let mut writer = line(&mut lines, &watch, 0, 0);
        writer.write_all(b"only").expect("room");
        drop(writer);
        assert_eq!(lines.read(&watch, 1, Instant::now()).0, b"only");
        assert_eq!(&*lines.bury(&watch, 0, 0), "only");
    }

    #[test]
    fn a_beginning_waits_for_its_end_for_a_moment() {
        let watch = DeathWatch::new().expect("a watch");
        let mut lines = Lines::default();
        let mut writer = line(&mut lines, &watch, 0, 0);
        let start = Instant::now();
        writer.write_all(b"one\ntw").expect("room");
        assert_eq!(lines.read(&watch, 1, start).0, b"one\n");
        assert_eq!(lines.due(start), (Vec::new(), Some(UNFINISHED)));
        writer.write_all(b"o\nthr").expect("room");
        let later = start + UNFINISHED / 2;
        assert_eq!(lines.read(&watch, 1, later).0, b"two\n");
        writer.write_all(b"e").expect("room");
        assert_eq!(lines.read(&watch, 1, later).0, b"");
        assert_eq!(lines.due(later + UNFINISHED / 2).1, Some(UNFINISHED / 2));
        assert_eq!(lines.due(later + UNFINISHED), (b"thre".to_vec(), None));
        writer.write_all(&[b'x'; PIECE_BYTES]).expect("room");
        assert_eq!(lines.read(&watch, 1, later).0.len(), 0);
        writer.write_all(b"xx").expect("room");
        assert_eq!(lines.read(&watch, 1, later).0.len(), PIECE_BYTES + 2);
    }

    #[test]
    fn lines_that_are_held_open_are_limited() {
        let watch = DeathWatch::new().expect("a watch");
        let mut lines = Lines::default();
        let mut held = Vec::new();
        for generation in 0..40 {
            held.push(line(&mut lines, &watch, 0, generation));
            let _ = lines.bury(&watch, 0, generation);
            assert!(lines.all.len() <= MOST_ORPHANED);
        }
        let broken = held[0].write(b"x").expect_err("nobody reads it");
        assert_eq!(broken.kind(), ErrorKind::BrokenPipe);
        held[39].write_all(b"still here").expect("room");
        assert_eq!(lines.close(&watch), b"still here");
        assert!(lines.open(&watch, 1, 0).expect("no pipe").is_none());
    }

    #[test]
    fn what_nobody_reads_is_limited() {
        let watch = DeathWatch::new().expect("a watch");
        let mut lines = Lines::default();
        for generation in 0..200 {
            let mut writer = line(&mut lines, &watch, 0, generation);
            writer.write_all(&[b'x'; 60_000]).expect("room");
            drop(writer);
            assert!(!lines.bury(&watch, 0, generation).is_empty());
        }
        let waiting = lines.due(Instant::now()).0.len();
        assert!(waiting <= MOST_WAITING && waiting > MOST_WAITING / 2);
    }
}
