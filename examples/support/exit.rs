//! How an example ends.

use std::error::Error;
use std::io;

/// End the program: an error is told on the standard error stream, with a failing exit code.
pub(crate) fn finish(result: Result<(), Box<dyn Error>>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        // Whoever read the output has seen enough, as `head` does.
        Err(error) if is_closed_pipe(&*error) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
