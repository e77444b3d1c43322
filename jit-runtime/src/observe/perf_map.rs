//! The map of `perf`: a text file with a line a symbol.
//!
//! **Problem.** A profiler samples addresses and has no symbols for code that is in no file.
//!
//! **Idea.** `perf report` and other profilers read `/tmp/perf-PID.map`, which has a line `START SIZE name` for each
//! piece of code, in hexadecimal digits (`tools/perf/Documentation/jit-interface.txt` of Linux).
//!
//! **Invariants.** Lines are whole, also where several maps of one process are written, since each is put at the
//! end of the file in one piece.
//!
//! **Cost.** A line is formatted for each publication and written when 64 KiB are full, at [`PerfMap::flush`] and at
//! the end. The format cannot say that code was freed: where memory is used again, two names stand for one
//! address, and the later one is likelier. [`super::JitDump`] has no such trouble.

use super::log::{Log, at, new_file};
use super::symbols::{Detail, symbols};
use crate::memory::{Event, Observer, undivided};
use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The files that this process has begun: a second map of it goes on behind the first. Used under [`undivided`].
static BEGUN: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// A map of symbols for `perf`. Attach it with [`crate::memory::CodeHeap::observe`].
///
/// ```
/// use jit_runtime::{memory::CodeHeap, observe::PerfMap, stitch::Assembler, x64};
/// # let elsewhere = std::env::temp_dir().join("jit-perf-map-of-the-documentation");
/// # std::fs::create_dir_all(&elsewhere)?;
///
/// let heap = CodeHeap::probe()?;
/// let map = heap.observe(PerfMap::create_in(&elsewhere)?); // `PerfMap::create()` for perf itself
/// let mut asm = Assembler::new();
/// asm.set_name("answer");
/// x64!(asm => mov eax, 42; ret);
/// let code = asm.seal()?.publish(&heap)?;
///
/// let mut map = map.lock().expect("no observer has panicked");
/// map.flush()?;
/// assert!(std::fs::read_to_string(map.path())?.ends_with(&format!("{:x} 6 answer\n", code.address())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PerfMap {
    log: Log,
    path: PathBuf,
    detail: Detail,
}

impl PerfMap {
    /// A map where `perf` looks for it: `/tmp/perf-PID.map`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create() -> io::Result<PerfMap> {
        PerfMap::create_in(Path::new("/tmp"))
    }

    /// A map in another directory.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create_in(directory: &Path) -> io::Result<PerfMap> {
        let path = directory.join(format!("perf-{}.map", std::process::id()));
        let _whole = undivided();
        let mut begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = begun.get_or_insert_default();
        let mut options = OpenOptions::new();
        options.append(true).custom_flags(libc::O_NOFOLLOW);
        let file = if begun.contains(&path) {
            options.create(true).open(&path).map_err(at(&path))?
        } else {
            new_file(&path, &mut options)?
        };
        begun.insert(path.clone());
        Ok(PerfMap { log: Log::of(file), path, detail: Detail::default() })
    }

    /// The same, with this detail.
    #[must_use]
    pub fn with_detail(self, detail: Detail) -> PerfMap {
        PerfMap { detail, ..self }
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Write what waits. A process that ends without dropping its heap has to.
    ///
    /// # Errors
    /// Something could not be written, now or before.
    pub fn flush(&mut self) -> io::Result<()> {
        self.log.flush()
    }
}

impl Observer for PerfMap {
    fn event(&mut self, event: &Event<'_>) {
        for symbol in symbols(event, self.detail) {
            let (start, len) = (symbol.addresses.start, symbol.addresses.len());
            self.log.put(format!("{start:x} {len:x} {}\n", symbol.name).as_bytes());
        }
    }
}
