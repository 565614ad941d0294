//! Calling a manager: a handle's view of it, and the lines to it.
//!
//! A line is used by one call at a time and kept for the next; threads that call at once have a
//! line each. Handles of one manager share their lines, and a process remembers the managers
//! that it called last: a task that is sent a handle does not connect anew each time.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use forkyard_os::death::DeathWatch;
use forkyard_os::exe;
use forkyard_os::process::{Birth, Pid, is_alive, start_time};
use forkyard_os::segment::SegmentError;

use super::error::{ManagerError, unreachable};
use super::folder;
use super::frame::{self, Token, Welcome};
use super::owner::Owner;
use crate::bootstrap::{Attachment, BootstrapError};

/// Lines that are kept for the next calls.
const MOST_IDLE: usize = 16;
/// Managers that a process remembers though it has no handle of them.
const MOST_REMEMBERED: usize = 16;
/// How long after its descriptors a dying process itself may be there.
const DYING: Duration = Duration::from_millis(500);

/// The managers that this process has called, the last one first.
static SITES: Mutex<Vec<Arc<Site>>> = Mutex::new(Vec::new());

/// A manager, as a process sees it from outside.
pub(super) struct Site {
    pub(super) folder: PathBuf,
    pub(super) pid: i32,
    pub(super) token: Token,
    /// Tells a forked child, which must not use its parent's lines.
    birth: Birth,
    idle: Mutex<Vec<Line>>,
    /// The control segment of the manager's pool, which says whether it was ended.
    attachment: Mutex<Option<Arc<Attachment>>>,
    /// In the process that started it, who owns it.
    pub(super) owner: OnceLock<Weak<Owner>>,
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("pid", &self.pid)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// A line to a manager, on which nothing is under way.
#[derive(Debug)]
struct Line {
    from: BufReader<UnixStream>,
    /// What is sent, and then what has come.
    buffer: Vec<u8>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // All of them are whole at every instant.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a manager known to this process, or finds it among those that are.
pub(super) fn site(folder: PathBuf, pid: i32, token: Token) -> Arc<Site> {
    let mut sites = lock(&SITES);
    // A forked child has its parent's.
    sites.retain(|site| site.birth.is_here());
    let known = sites.iter().position(|site| site.token == token);
    let site = match known {
        Some(0) => return Arc::clone(&sites[0]),
        Some(at) => sites.remove(at),
        None => Arc::new(Site {
            folder,
            pid,
            token,
            birth: Birth::here(),
            idle: Mutex::new(Vec::new()),
            attachment: Mutex::new(None),
            owner: OnceLock::new(),
        }),
    };
    sites.insert(0, Arc::clone(&site));
    sites.truncate(MOST_REMEMBERED);
    site
}

/// Forgets a manager that has ended, and closes the lines to it that nobody uses.
pub(super) fn forget(site: &Site) {
    lock(&SITES).retain(|other| other.token != site.token);
    if site.birth.is_here() {
        lock(&site.idle).clear();
    }
}

/// A call's entry and who waits for it, and until when.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) entry: u64,
    pub(super) chain: Vec<u64>,
    pub(super) deadline: Option<Instant>,
}

impl Site {
    /// Makes one call: `put` writes the argument; `take` is handed the status and the result.
    pub(super) fn call<R>(
        &self,
        request: &Request,
        put: impl FnOnce(&mut Vec<u8>) -> Result<(), ManagerError>,
        take: impl FnOnce(u64, &[u8]) -> Result<R, ManagerError>,
    ) -> Result<R, ManagerError> {
        let mut line = self.line(request.deadline)?;
        if let Err(error) = line.put(request, put) {
            self.keep(line);
            return Err(error);
        }
        let status = match line.exchange(request.deadline) {
            Ok(status) => status,
            Err(error) => return Err(self.verdict(&error)),
        };
        // Not behind the decoding: it may panic, and is user code that may call.
        let bytes = std::mem::take(&mut line.buffer);
        let result = take(status, &bytes);
        line.buffer = bytes;
        if !matches!(result, Err(ManagerError::Refused(_) | ManagerError::Ended)) {
            self.keep(line);
        }
        result
    }

    /// Keeps a line for the next call.
    fn keep(&self, mut line: Line) {
        frame::tidy(&mut line.buffer);
        let mut idle = lock(&self.idle);
        if idle.len() < MOST_IDLE {
            idle.push(line);
        }
    }

    /// This manager as the calling process sees it: a forked child has no use for its parent's
    /// lines.
    pub(super) fn here(self: &Arc<Self>) -> Arc<Self> {
        if self.birth.is_here() {
            Arc::clone(self)
        } else {
            site(self.folder.clone(), self.pid, self.token)
        }
    }

    /// A line that nobody uses: one that was kept, or a new one.
    fn line(&self, deadline: Option<Instant>) -> Result<Line, ManagerError> {
        if let Some(line) = lock(&self.idle).pop() {
            return Ok(line);
        }
        let attachment = self.attachment()?;
        if !attachment.is_same_build() {
            return Err(ManagerError::OtherBuild);
        }
        let line = dial(&self.folder).map_err(|error| self.verdict(&error))?;
        let mut line = Line {
            from: BufReader::new(line),
            buffer: Vec::new(),
        };
        let exe = exe::identity().map_or(0, |identity| identity.hash());
        let welcome = line
            .greet(&frame::hello(&self.token, exe), deadline)
            .map_err(|error| self.verdict(&error))?;
        match Welcome::from_byte(welcome) {
            Some(Welcome::Yes) => Ok(line),
            Some(Welcome::OtherBuild) => Err(ManagerError::OtherBuild),
            Some(Welcome::Full) => Err(ManagerError::Unreachable(
                "it has no thread for another caller".to_owned(),
            )),
            Some(Welcome::Stranger) | None => Err(ManagerError::Refused(
                "it does not know the token of this handle".to_owned(),
            )),
        }
    }

    /// The control segment of the manager's pool.
    fn attachment(&self) -> Result<Arc<Attachment>, ManagerError> {
        let mut known = lock(&self.attachment);
        if let Some(attachment) = &*known {
            return Ok(Arc::clone(attachment));
        }
        let name = folder::segment_of(&self.folder);
        let name = name.ok_or_else(|| {
            ManagerError::Unreachable(format!("{} is no manager's", self.folder.display()))
        })?;
        match Attachment::look(name.as_str()) {
            Ok(attachment) => Ok(Arc::clone(known.insert(Arc::new(attachment)))),
            // It goes when the owner lets go, or is gone; not when the manager dies.
            Err(BootstrapError::Name(SegmentError::Missing { .. })) => Err(ManagerError::Ended),
            Err(error) => Err(ManagerError::Unreachable(error.to_string())),
        }
    }

    /// Why a line has failed: who is gone. A manager that is gone need not be remembered.
    fn verdict(&self, error: &io::Error) -> ManagerError {
        let verdict = self.who_is_gone(error);
        if matches!(verdict, ManagerError::Ended | ManagerError::Died { .. }) {
            forget(self);
        }
        verdict
    }

    fn who_is_gone(&self, error: &io::Error) -> ManagerError {
        use io::ErrorKind;
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => return ManagerError::TimedOut,
            ErrorKind::NotFound
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => {}
            _ => return unreachable("its line failed", error),
        }
        let owner = self.owner.get().and_then(Weak::upgrade);
        if let Some(death) = owner.and_then(|owner| owner.death()) {
            return death;
        }
        if self.was_ended() {
            return ManagerError::Ended;
        }
        if is_gone(self.pid) {
            // The owner may have ended it meanwhile.
            return if self.was_ended() {
                ManagerError::Ended
            } else {
                ManagerError::Died {
                    pid: self.pid,
                    cause: None,
                }
            };
        }
        unreachable("it lives, but its line is closed", error)
    }

    /// Whether the owner has let go of it, or is gone itself.
    fn was_ended(&self) -> bool {
        let Ok(attachment) = self.attachment() else {
            return true;
        };
        let owner_lives = attachment
            .supervisor()
            .is_some_and(|(pid, started)| is_alive(pid) && start_time(pid) == Some(started));
        !owner_lives || attachment.control.header().stop.0.is_raised_for_ever()
    }
}

/// Connects to a manager's socket, through whatever signals.
fn dial(folder: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(folder::socket_in(folder)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Whether a process is gone, or is so in a moment.
fn is_gone(pid: i32) -> bool {
    let Some(pid) = Pid::from_raw(pid) else {
        return true;
    };
    let watched = DeathWatch::new().and_then(|watch| {
        watch.watch(pid, 0)?;
        watch.wait(Some(DYING))
    });
    watched.map_or_else(|_| !is_alive(pid), |events| !events.died.is_empty())
}

impl Line {
    fn greet(&mut self, hello: &[u8], deadline: Option<Instant>) -> io::Result<u8> {
        let mut line = Timed {
            line: self,
            deadline,
        };
        line.write_all(hello)?;
        let mut welcome = [0];
        line.read_exact(&mut welcome)?;
        line.done()?;
        Ok(welcome[0])
    }

    /// Writes a call into the buffer.
    fn put(
        &mut self,
        request: &Request,
        put: impl FnOnce(&mut Vec<u8>) -> Result<(), ManagerError>,
    ) -> Result<(), ManagerError> {
        let depth = request.chain.len() as u64;
        self.buffer.clear();
        for number in [0, request.entry, depth].iter().chain(&request.chain) {
            self.buffer.extend_from_slice(&number.to_le_bytes());
        }
        let before = self.buffer.len();
        put(&mut self.buffer)?;
        let bytes = (self.buffer.len() - before) as u64;
        if bytes > frame::MOST_BYTES {
            return Err(ManagerError::TooLarge {
                bytes,
                limit: frame::MOST_BYTES,
            });
        }
        self.buffer[..8].copy_from_slice(&bytes.to_le_bytes());
        Ok(())
    }

    /// Sends the buffer, and reads the answer into it; its status.
    fn exchange(&mut self, deadline: Option<Instant>) -> io::Result<u64> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut line = Timed {
            line: self,
            deadline,
        };
        let sent = line.write_all(&buffer);
        // A manager that refuses says so before it closes the line.
        let mut head = [0; frame::ANSWER_BYTES];
        line.read_exact(&mut head)
            .map_err(|read| sent.err().unwrap_or(read))?;
        let [len, status] = frame::numbers::<2>(&head);
        if len > frame::MOST_BYTES {
            return Err(io::Error::other(format!("an answer of {len} bytes")));
        }
        frame::read_bytes(&mut line, len, &mut buffer)?;
        line.done()?;
        self.buffer = buffer;
        Ok(status)
    }
}

/// A line that is used until a deadline, if there is one.
struct Timed<'a> {
    line: &'a mut Line,
    deadline: Option<Instant>,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.deadline else {
            return Ok(None);
        };
        match deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }

    /// The next call on the line may take as long as it likes.
    fn done(self) -> io::Result<()> {
        if self.deadline.is_some() {
            let line = self.line.from.get_ref();
            line.set_read_timeout(None)?;
            line.set_write_timeout(None)?;
        }
        Ok(())
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if let Some(left) = self.left()? {
            self.line.from.get_ref().set_read_timeout(Some(left))?;
        }
        self.line.from.read(room)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(left) = self.left()? {
            self.line.from.get_ref().set_write_timeout(Some(left))?;
        }
        self.line.from.get_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
