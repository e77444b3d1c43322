//! A file that an observer writes: in pieces that wait for the next write, and by one process.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Bytes that wait for the next write.
const BUFFER: usize = 64 << 10;

/// The file, and the first error. A child of fork has a copy of what waits, and the same place in the file: it
/// writes nothing, not at the end either.
#[derive(Debug)]
pub(super) struct Log {
    /// Taken out by `drop` only.
    file: Option<BufWriter<File>>,
    process: u32,
    error: Option<io::Error>,
}

/// An error of making the file at `path`, with its name.
pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> io::Error + '_ {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// A new file at `path`, to be opened with `options`. A process of the same number may have left one there, and somebody
/// else a link to where we must not write: it goes first.
pub(super) fn new_file(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(path)(error)),
        _ => {}
    }
    options.create_new(true).open(path).map_err(at(path))
}

impl Log {
    /// For this process.
    pub(super) fn of(file: File) -> Log {
        let file = Some(BufWriter::with_capacity(BUFFER, file));
        Log { file, process: std::process::id(), error: None }
    }

    /// The file, for the process whose log it is.
    fn own(&mut self) -> Option<&mut BufWriter<File>> {
        self.file.as_mut().filter(|_| std::process::id() == self.process)
    }

    /// Write a piece. An error waits for [`Log::flush`].
    pub(super) fn put(&mut self, piece: &[u8]) {
        if let Some(Err(error)) = self.own().map(|file| file.write_all(piece)) {
            self.error.get_or_insert(error);
        }
    }

    /// Write what waits.
    ///
    /// # Errors
    /// Something could not be written, now or before.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let flushed = self.own().map_or(Ok(()), BufWriter::flush);
        self.error.take().map_or(flushed, Err)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if self.own().is_none() {
            // What waits is the parent's to write.
            drop(self.file.take().map(BufWriter::into_parts));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn another_process_writes_nothing() {
        let path = std::env::temp_dir().join(format!("jit-log-{}", std::process::id()));
        let mut log = Log::of(File::create(&path).expect("a file"));
        log.put(b"one ");
        log.flush().expect("written");
        log.put(b"two");
        // As a child of fork finds it: with what waits.
        log.process += 1;
        log.put(b"three");
        log.flush().expect("nothing to write");
        assert_eq!(fs::read(&path).expect("a file"), b"one ");
        drop(log);
        assert_eq!(fs::read(&path).expect("a file"), b"one ");

        let mut log = Log::of(File::create(&path).expect("a file"));
        log.put(b"four");
        drop(log);
        assert_eq!(fs::read(&path).expect("a file"), b"four");
        fs::remove_file(&path).expect("a file");
    }

    #[test]
    fn the_first_error_is_told() {
        let path = std::env::temp_dir().join(format!("jit-log-read-{}", std::process::id()));
        fs::write(&path, b"").expect("a file");
        let mut log = Log::of(File::open(&path).expect("a file"));
        log.put(&[0; BUFFER + 1]);
        log.flush().expect_err("the file is open for reading");
        log.flush().expect("told once");
        drop(log);
        fs::remove_file(&path).expect("a file");
    }
}
