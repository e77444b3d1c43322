//! Instructions into bytes, without a compiler around them.
//!
//! ```text
//! cargo run --release --example asm -- 'mov rax, [rbp-16]; cqo; idiv rcx'
//! cargo run --release --example asm -- --verify 'add {r: r64}, [rdi + {offset}]'
//! printf '1\tpush rbp\\nmov rbp, rsp\n' | cargo run --release --example asm -- --batch
//! ```

#[path = "support/asm/mod.rs"]
mod asm;

use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let done = asm::run(&arguments, io::stdin().lock(), &mut out, &mut io::stderr());
    match done.and_then(|code| out.flush().map(|()| code)) {
        Ok(code) => ExitCode::from(code),
        // Whoever read the output has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            // What is left in the buffer is for nobody.
            let _ = out.into_parts();
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
