//! The manager's process: it has the value, and runs what others send on it.
//!
//! ```text
//!   the worker's thread:  prepare (make the value, listen) ─> serve (accept, accept, …) ─> end
//!   a thread for a line:  hello ─> read, decode ─> wait for a turn ─> f(value) ─> encode, write
//! ```
//!
//! Only the call itself is under the turn, so that a large argument, or a caller that stops in
//! the middle of a message, keeps nobody else waiting. A caller's death closes its line, which
//! ends its thread.

use std::any::Any;
use std::cell::RefCell;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use forkyard_os::exe;
use forkyard_wire::codec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::Refusal;
use super::folder::{self, FolderError};
use super::frame::{self, Token, Welcome};
use super::turns::Turns;
use crate::job::{ItemError, caught, report_panics_of_this_thread};
use crate::{trace, trampoline};

/// How long a line may take to say who calls.
const HELLO_TIME: Duration = Duration::from_secs(10);

/// Between two looks when the system has no descriptor for another line.
const SHORT_OF_DESCRIPTORS: Duration = Duration::from_millis(10);

/// The manager that this process is.
static SERVED: OnceLock<Arc<Served>> = OnceLock::new();

/// The listening socket, from `prepare` to `serve`.
static LISTENER: Mutex<Option<UnixListener>> = Mutex::new(None);

thread_local! {
    /// The managers that wait for the call that this thread runs, and this one.
    static CHAIN: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// The value, and what guards it.
pub(crate) struct Served {
    token: Token,
    exe_hash: u64,
    turns: Turns,
    /// Locked only by who has the turn. `None` once the manager has ended.
    value: Mutex<Option<Box<dyn Any + Send>>>,
    poisoned: AtomicBool,
}

/// What a manager is told at its start, besides what its value is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Orders {
    pub(super) folder: PathBuf,
    pub(super) token: Token,
}

/// Why there is no socket, as it crosses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum NoSocket {
    TooLong(usize),
    Os(String),
}

/// One call, as its trampoline sees it.
pub(crate) struct Call<'a> {
    served: &'a Served,
    /// The encoded argument.
    input: &'a [u8],
    /// Where the result goes.
    out: &'a mut Vec<u8>,
    status: u64,
}

/// The number of a manager in a chain of calls.
pub(super) fn number_of(token: &Token) -> u64 {
    frame::numbers::<1>(token)[0]
}

/// The managers that wait for whatever this thread runs now; told whether one of that token is
/// among them, or is this process.
pub(super) fn chain_to(token: &Token) -> Option<Vec<u64>> {
    let chain = CHAIN.with_borrow(Clone::clone);
    let is_this = SERVED.get().is_some_and(|served| served.token == *token);
    (!is_this && !chain.contains(&number_of(token))).then_some(chain)
}

/// Keeps the value, and listens. The first task of a manager's process; the worker's pid.
pub(super) fn prepare<T: Send + 'static>(orders: &Orders, value: T) -> Result<i32, NoSocket> {
    let served = Arc::new(Served {
        token: orders.token,
        exe_hash: exe::identity().map_or(0, |identity| identity.hash()),
        turns: Turns::default(),
        value: Mutex::new(Some(Box::new(value))),
        poisoned: AtomicBool::new(false),
    });
    let listener = folder::open(&orders.folder).map_err(|error| match error {
        FolderError::TooLong(bytes) => NoSocket::TooLong(bytes),
        FolderError::Os(what, error) => {
            NoSocket::Os(format!("{what}, {}: {error}", orders.folder.display()))
        }
    })?;
    if SERVED.set(served).is_err() {
        return Err(NoSocket::Os("this process is a manager already".to_owned()));
    }
    *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    Ok(std::process::id().cast_signed())
}

/// Takes calls until the owner lets go. The second and last task of a manager's process.
pub(super) fn serve() {
    let listener = LISTENER
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let (Some(served), Some(listener)) = (SERVED.get(), listener) else {
        return; // another process has taken the place of one that was prepared
    };
    while !has_ended() {
        match listener.accept() {
            Ok((line, _)) => begin(served, line),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                // Of descriptors, there are some again when a caller ends.
                trace::no_caller_taken("no descriptor", &error);
                std::thread::sleep(SHORT_OF_DESCRIPTORS);
            }
        }
    }
    drop(listener);
    folder::take_folder_away();
    let last = served.turns.wait_for_last();
    // It may panic, in user code; there is nobody to tell.
    let value = served.take_value();
    let _ = caught(|| {
        drop(value);
        Ok(())
    });
    drop(last);
}

/// Whether the owner has let go: it raises the flag, then knocks.
fn has_ended() -> bool {
    let seat = crate::context().seat.as_ref();
    seat.is_none_or(|seat| seat.control.header().stop.0.is_raised_for_ever())
}

/// Gives a line a thread of its own.
fn begin(served: &Arc<Served>, line: UnixStream) {
    let theirs = Arc::clone(served);
    let refuse = line.try_clone();
    let started = std::thread::Builder::new()
        .name("forkyard-call".to_owned())
        .spawn(move || {
            // Its end is the end of the line, whatever it was.
            let _ = converse(&theirs, line);
        });
    if let (Err(error), Ok(mut line)) = (started, refuse) {
        trace::no_caller_taken("no thread", &error);
        let _ = line.write_all(&[Welcome::Full as u8]);
    }
}

/// Answers calls until the line is closed.
fn converse(served: &Served, mut line: UnixStream) -> io::Result<()> {
    report_panics_of_this_thread();
    line.set_read_timeout(Some(HELLO_TIME))?;
    let mut hello = [0; frame::HELLO_BYTES];
    line.read_exact(&mut hello)?;
    let welcome = match frame::read_hello(&hello) {
        Some((token, _)) if token != served.token => Welcome::Stranger,
        Some((_, exe)) if exe != 0 && served.exe_hash != 0 && exe != served.exe_hash => {
            Welcome::OtherBuild
        }
        Some(_) => Welcome::Yes,
        None => Welcome::Stranger,
    };
    line.write_all(&[welcome as u8])?;
    if welcome != Welcome::Yes {
        return Ok(());
    }
    line.set_read_timeout(None)?;
    let mut from = BufReader::new(line);
    let (mut input, mut out) = (Vec::new(), Vec::new());
    loop {
        let mut head = [0; frame::CALL_BYTES];
        from.read_exact(&mut head)?;
        let [len, entry, depth] = frame::numbers::<3>(&head);
        if len > frame::MOST_BYTES || depth > frame::MOST_DEPTH {
            let why = format!("a call of {len} bytes, {depth} managers deep");
            // What follows cannot be told from the next call.
            return answer(from.get_mut(), &mut out, |out| {
                refuse(out, &Refusal::Garbled(why))
            });
        }
        frame::read_bytes(&mut from, depth * 8, &mut input)?;
        CHAIN.with_borrow_mut(|chain| {
            chain.clear();
            chain.extend(input.chunks_exact(8).map(|id| frame::numbers::<1>(id)[0]));
            chain.push(number_of(&served.token));
        });
        frame::read_bytes(&mut from, len, &mut input)?;
        answer(from.get_mut(), &mut out, |out| {
            let mut call = Call {
                served,
                input: &input,
                out,
                status: frame::STATUS_REFUSAL,
            };
            trampoline::entry_of_call(entry)(&mut call);
            call.status
        })?;
        frame::tidy(&mut input);
    }
}

/// Sends what `put` writes, and the status that it returns.
fn answer(
    line: &mut UnixStream,
    out: &mut Vec<u8>,
    put: impl FnOnce(&mut Vec<u8>) -> u64,
) -> io::Result<()> {
    out.clear();
    out.resize(frame::ANSWER_BYTES, 0);
    let mut status = put(out);
    let bytes = |out: &Vec<u8>| (out.len() - frame::ANSWER_BYTES) as u64;
    if bytes(out) > frame::MOST_BYTES {
        let too_large = Refusal::TooLarge(bytes(out));
        out.truncate(frame::ANSWER_BYTES);
        status = refuse(out, &too_large);
    }
    let len = bytes(out);
    out[..8].copy_from_slice(&len.to_le_bytes());
    out[8..16].copy_from_slice(&status.to_le_bytes());
    line.write_all(out)?;
    frame::tidy(out);
    Ok(())
}

/// Puts the reason where the result would be.
fn refuse(out: &mut Vec<u8>, why: &Refusal) -> u64 {
    out.truncate(frame::ANSWER_BYTES);
    // It is plain text and numbers, which can be encoded.
    let _ = codec::encode_to_vec(why, out);
    frame::STATUS_REFUSAL
}

impl Call<'_> {
    /// Decodes, runs `f` on the value when its turn has come, encodes: the body of every
    /// trampoline of a call.
    pub(super) fn run<T, In, Out>(&mut self, f: impl FnOnce(&mut T, In) -> Out)
    where
        T: Send + 'static,
        In: DeserializeOwned,
        Out: Serialize,
    {
        let input = self.input;
        let argument =
            caught(|| codec::decode::<In>(input).map_err(|e| ItemError::Decode(e.to_string())));
        let result = argument
            .map_err(Refusal::Item)
            .and_then(|argument| self.served.on_value(|value| f(value, argument)));
        let put = result.and_then(|result| {
            let out = &mut *self.out;
            let encode = || {
                codec::encode_to_vec(&result, out).map_err(|e| ItemError::Encode(e.to_string()))?;
                drop(result); // user code, too
                Ok(())
            };
            caught(encode).map_err(Refusal::Item)
        });
        self.status = match put {
            Ok(()) => frame::STATUS_VALUE,
            Err(why) => refuse(self.out, &why),
        };
    }

    /// Whether a called function has panicked; `clear` forgets it.
    pub(super) fn poisoned(&mut self, clear: bool) {
        let flag = &self.served.poisoned;
        // Relaxed: who asks has the turn's order from the calls themselves.
        let was = if clear {
            flag.swap(false, Ordering::Relaxed)
        } else {
            flag.load(Ordering::Relaxed)
        };
        self.status = match codec::encode_to_vec(&was, self.out) {
            Ok(()) => frame::STATUS_VALUE,
            Err(error) => {
                let why = Refusal::Item(ItemError::Encode(error.to_string()));
                refuse(self.out, &why)
            }
        };
    }
}

impl Served {
    /// Waits for a turn, and runs `f` on the value.
    fn on_value<T: 'static, Out>(&self, f: impl FnOnce(&mut T) -> Out) -> Result<Out, Refusal> {
        let Some(_turn) = self.turns.wait() else {
            return Err(Refusal::Ended);
        };
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let value = value.as_mut().ok_or(Refusal::Ended)?;
        let value = value.downcast_mut::<T>().ok_or(Refusal::OtherType)?;
        caught(|| Ok(f(value))).map_err(|error| {
            self.poisoned.store(true, Ordering::Relaxed);
            Refusal::Item(error)
        })
    }

    fn take_value(&self) -> Option<Box<dyn Any + Send>> {
        self.value
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
