//! The dump for `perf inject`: code, names and lines, with the time at which they were true.
//!
//! **Problem.** A map of symbols does not know when code was freed and its memory used again, and has neither
//! instructions nor lines for `perf annotate`.
//!
//! **Idea.** A `jit-PID.dump` is a log in a format of Linux (`tools/perf/Documentation/jitdump-specification.txt`,
//! version 1). A page of it is mapped executable: `perf record` sees that, `perf inject --jit` reads the file and
//! makes an object file of each piece of code.
//!
//! ```text
//! header        "JiTD", version, bytes of the header, machine, process, time, flags
//! debug info    where each position of the piece that follows begins: address, line, file
//! load          process, thread, address, size, number; name, code
//! close         when the observer is dropped
//! ```
//!
//! **Invariants.** Times are those of the monotonic clock, as `perf record -k mono` has them, and never go back. The
//! lines of a piece stand in front of it.
//!
//! **Cost.** The bytes of the code and some hundred more are written for each publication, when 64 KiB are full, at
//! [`JitDump::flush`] and at the end. Unwinding information is left out: `perf` would look for it in memory behind
//! the code, where the next function stands. Frames have frame pointers, which `perf record -g` walks.
#![allow(unsafe_code)]

use super::SourceFile;
use super::log::{Log, at, new_file};
use super::symbols::{Detail, Symbol, symbols};
use crate::memory::{Event, Observer, undivided};
use crate::stitch::{About, Positions};
use core::ptr;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// "JiTD", as the native order of bytes has it.
const MAGIC: u32 = 0x4A69_5444;
const VERSION: u32 = 1;
const HEADER: u32 = 40;
/// `EM_X86_64` (System V ABI, AMD64, 4.1).
const MACHINE: u32 = 62;

/// What a record is.
#[derive(Clone, Copy)]
enum Record {
    Load = 0,
    DebugInfo = 2,
    Close = 3,
}

/// A dump of code for `perf inject --jit`. Attach it with [`crate::memory::CodeHeap::observe`].
#[derive(Debug)]
pub struct JitDump {
    log: Log,
    claim: Claim,
    source: SourceFile,
    detail: Detail,
    /// Pieces so far.
    pieces: u64,
    _marker: Marker,
}

impl JitDump {
    /// A dump `jit-PID.dump` in a directory of the file system that programs may be run from, in which `perf inject`
    /// will put its object files too. There is one a process and directory; it may observe several heaps
    /// ([`crate::memory::CodeHeap::apart`]).
    ///
    /// # Errors
    /// The file cannot be made, or not be mapped executable, or this process is writing it.
    pub fn create_in(directory: &Path) -> io::Result<JitDump> {
        // `perf` wants to know the file by its name when the process has ended.
        let path = std::path::absolute(directory)?.join(format!("jit-{}.dump", std::process::id()));
        let claim = Claim::new(path)?;
        let file = new_file(&claim.path, OpenOptions::new().read(true).write(true))?;
        let marker = Marker::new(&file).map_err(at(&claim.path))?;
        let mut dump = JitDump {
            log: Log::of(file),
            claim,
            source: SourceFile::default(),
            detail: Detail::default(),
            pieces: 0,
            _marker: marker,
        };
        let mut header = vec![];
        for word in [MAGIC, VERSION, HEADER, MACHINE, 0, std::process::id()] {
            header.extend(word.to_le_bytes());
        }
        header.extend(now().to_le_bytes());
        header.extend(0_u64.to_le_bytes());
        dump.log.put(&header);
        dump.log.flush()?;
        Ok(dump)
    }

    /// The same, with positions of this source.
    #[must_use]
    pub fn with_source(mut self, source: SourceFile) -> JitDump {
        self.source = source;
        self
    }

    /// The same, with this detail.
    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> JitDump {
        self.detail = detail;
        self
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.claim.path
    }

    /// Write what waits. A process that ends without dropping its heap has to.
    ///
    /// # Errors
    /// Something could not be written, now or before.
    pub fn flush(&mut self) -> io::Result<()> {
        self.log.flush()
    }

    fn record(&mut self, record: Record, body: &[u8]) {
        let len = 16 + body.len() as u32;
        let mut bytes = vec![];
        bytes.extend((record as u32).to_le_bytes());
        bytes.extend(len.to_le_bytes());
        bytes.extend(now().to_le_bytes());
        bytes.extend(body);
        self.log.put(&bytes);
    }

    /// Where each position of a symbol begins, if there are any, and then its code.
    fn load(&mut self, symbol: &Symbol, address: usize, code: &[u8], positions: Option<&Positions>) {
        let start = symbol.addresses.start;
        let lines = positions.map_or(vec![], |positions| {
            self.source.lines(positions, start - address..symbol.addresses.end - address)
        });
        if !lines.is_empty() {
            let mut body = vec![];
            body.extend((start as u64).to_le_bytes());
            body.extend((lines.len() as u64).to_le_bytes());
            for (at, line) in lines {
                body.extend(((address + at) as u64).to_le_bytes());
                body.extend(line.unwrap_or(0).to_le_bytes());
                body.extend(0_u32.to_le_bytes());
                body.extend(self.source.file().as_bytes());
                body.push(0);
            }
            self.record(Record::DebugInfo, &body);
        }
        let mut body = vec![];
        for word in [std::process::id(), thread()] {
            body.extend(word.to_le_bytes());
        }
        for word in [start as u64, start as u64, symbol.addresses.len() as u64, self.pieces] {
            body.extend(word.to_le_bytes());
        }
        body.extend(symbol.name.as_bytes());
        body.push(0);
        body.extend(&code[start - address..symbol.addresses.end - address]);
        self.pieces += 1;
        self.record(Record::Load, &body);
    }
}

impl Observer for JitDump {
    fn event(&mut self, event: &Event<'_>) {
        let Event::Published { address, bytes, .. } = *event else { return };
        let positions = About::of(event).and_then(|about| about.positions.as_ref());
        for symbol in symbols(event, self.detail) {
            self.load(&symbol, address, bytes, positions);
        }
    }
}

impl Drop for JitDump {
    fn drop(&mut self) {
        self.record(Record::Close, &[]);
    }
}

/// The monotonic clock, in nanoseconds.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local of the right type.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The number of this thread.
fn thread() -> u32 {
    // SAFETY: no precondition.
    unsafe { libc::gettid() as u32 }
}

/// The right to write a file, of which another dump of this process would make a mess.
#[derive(Debug)]
struct Claim {
    path: PathBuf,
}

/// Changed under [`undivided`].
static CLAIMED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

impl Claim {
    fn new(path: PathBuf) -> io::Result<Claim> {
        let _whole = undivided();
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        if claimed.insert(path.clone()) {
            return Ok(Claim { path });
        }
        let what = format!(
            "{} is being written by another `JitDump`; have that one observe this heap too (`CodeHeap::apart`), or \
             take another directory",
            path.display()
        );
        Err(io::Error::new(io::ErrorKind::AlreadyExists, what))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let _whole = undivided();
        CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

/// The mapping by which `perf record` learns of the file. Nobody looks into it.
#[derive(Debug)]
struct Marker {
    address: usize,
}

/// The system rounds it up to a page.
const MARKER: usize = 1;

impl Marker {
    fn new(file: &File) -> io::Result<Marker> {
        let rights = libc::PROT_READ | libc::PROT_EXEC;
        // SAFETY: without MAP_FIXED the mapping takes address space that nothing uses.
        let address =
            unsafe { libc::mmap(ptr::null_mut(), MARKER, rights, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Marker { address: address.addr() })
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        let address = ptr::without_provenance_mut(self.address);
        // SAFETY: `new` mapped it, this is its end, and nobody has a pointer into it.
        unsafe { libc::munmap(address, MARKER) };
    }
}
