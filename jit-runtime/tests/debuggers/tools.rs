//! Asking gdb and perf, and reading what they say.

use crate::looked_at;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn all() {
    gdb_shows_frames_of_code_and_of_rust_beyond();
    gdb_steps_through_code();
    gdb_finds_the_registers_of_rust();
    gdb_finds_the_caller_of_a_c_function();
    perf_knows_functions_and_their_callers();
}

/// What a tool printed, or that it is not here.
fn ask(tool: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(tool).args(arguments).output() {
        Ok(output) => {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            Some(text(&output.stdout) + &text(&output.stderr))
        }
        Err(error) => {
            eprintln!("{tool} was not asked, and nothing is claimed of it: {error}");
            None
        }
    }
}

fn this_program() -> String {
    std::env::current_exe().expect("a path").to_str().expect("UTF-8").to_owned()
}

/// What gdb prints when it runs this program up to where there is code, and then does `steps`: a part each.
fn gdb(strategy: &str, steps: &[&[&str]]) -> Option<Vec<String>> {
    const NEXT: &str = "--- next ---";
    let settings = ["set debuginfod enabled off", "set confirm off", "set width 0", "set language c"];
    let stops = ["break code_is_there", "break called_by_code", "break code_is_gone", "run"];
    let echo = format!("echo {NEXT}\\n");
    let mut commands: Vec<&str> = settings.into_iter().chain(stops).collect();
    for step in steps {
        commands.push(&echo);
        commands.extend(*step);
    }
    let program = this_program();
    let mut arguments = vec!["-batch", "-nx"];
    arguments.extend(commands.iter().flat_map(|command| ["-ex", command]));
    let what = if strategy == "c" { ["debugged-c", "flip"] } else { ["debugged", strategy] };
    arguments.extend(["--args", &program]);
    arguments.extend(what);
    let said = ask("gdb", &arguments)?;
    if said.contains("ptrace") || said.contains("Operation not permitted") {
        eprintln!("gdb may not debug here, and nothing is claimed of it:\n{said}");
        return None;
    }
    let parts: Vec<String> = said.split(NEXT).skip(1).map(str::to_owned).collect();
    assert_eq!(parts.len(), steps.len(), "{said}");
    Some(parts)
}

/// The functions of a backtrace, youngest first, without paths and arguments.
fn frames(said: &str) -> Vec<&str> {
    said.lines()
        // The functions that stop the debugger do nothing but this, in line or not.
        .filter(|line| line.starts_with('#') && !line.contains("black_box"))
        .filter_map(|line| line.split(" (").next())
        .filter_map(|line| line.rsplit([' ', ':']).next())
        .collect()
}

/// That a backtrace begins with these functions, goes on with the trampoline and Rust, and ends at `main`. How many
/// functions of Rust there are is the compiler's choice.
fn assert_frames(said: &str, code: &[&str]) {
    let found = frames(said);
    let wanted = [code, &["gate"]].concat();
    assert!(found.starts_with(&wanted), "{wanted:?}: {said}");
    let beyond = &found[wanted.len()..];
    assert!(beyond.last() == Some(&"main") && !beyond.contains(&"??"), "{said}");
}

fn gdb_shows_frames_of_code_and_of_rust_beyond() {
    for strategy in ["dual", "flip"] {
        let steps: [&[&str]; 4] = [
            &["info symbol inner"],
            &["continue", "bt"],
            &["frame function inner", "info registers rip"],
            &["continue", "info symbol inner"],
        ];
        let Some(said) = gdb(strategy, &steps) else { return };
        assert!(said[0].contains("inner in section .text of"), "{}", said[0]);
        let code = ["called_by_code", "rust_call", "inner", "outer"];
        assert_frames(&said[1], &code);
        for line in ["inner () at some.program:72", "outer () at some.program:7\n"] {
            assert!(said[1].contains(line), "{line}: {}", said[1]);
        }
        assert!(said[2].contains("<inner+"), "{}", said[2]);
        assert!(said[3].contains("No symbol \"inner\""), "{}", said[3]);
        println!("gdb sees code of a heap with the strategy {strategy}, until it is freed");
    }
}

/// Instruction by instruction, where the record looks at the bytes: at the beginning, inside, at the end.
fn gdb_steps_through_code() {
    let begin: [&[&str]; 1] = [&["break *((char *) inner + 16)", "continue", "bt"]];
    let step: &[&str] = &["stepi", "bt"];
    // Behind `push rbp`, `mov rbp, rsp`, `mov esi, 41` and the call.
    let end: &[&str] = &["delete 2", "break *((char *) inner + 30)", "continue", "bt"];
    let steps: Vec<&[&str]> = begin.into_iter().chain([step; 3]).chain([end]).chain([step; 4]).collect();
    // Breakpoints are written into the code, which a shared mapping does not let a debugger do.
    let Some(said) = gdb("flip", &steps) else { return };
    for part in &said[..4] {
        assert_frames(part, &["inner", "outer"]);
    }
    assert!(said[3].contains("inner () at some.program:72"), "{}", said[3]);
    // Behind the call there are a nop, `leave` and `ret`; then the caller goes on.
    for part in &said[4..7] {
        assert_frames(part, &["inner", "outer"]);
    }
    assert!(said[6].contains("inner () at some.program:73"), "{}", said[6]);
    for part in &said[7..] {
        assert_frames(part, &["outer"]);
    }
    println!("gdb finds callers from every instruction that begins or ends a body");
}

const REGISTERS: &str = "printf \"%lx %lx %lx %lx %lx\\n\", $rbx, $r12, $r13, $r14, $r15";

/// The registers of each part that prints them behind a colon.
fn registers(said: &[String]) -> Vec<&str> {
    said.iter().filter_map(|part| part.rsplit(':').next()).map(str::trim).collect()
}

/// A C function saves registers, and its own record says where: by that of JIT code its caller would get what the
/// function has in them.
fn gdb_finds_the_caller_of_a_c_function() {
    let steps: [&[&str]; 4] = [
        &["break *((char *) c_function)", "continue", "echo :", REGISTERS],
        &["continue", "bt"],
        &["frame function c_function", "up", "echo :", REGISTERS],
        &["frame 0", "continue", "info symbol c_function"],
    ];
    let Some(said) = gdb("c", &steps) else { return };
    let found = frames(&said[1]);
    assert!(found.starts_with(&["called_by_code", "c_function"]), "{}", said[1]);
    assert!(found.last() == Some(&"main") && !found.contains(&"??"), "{}", said[1]);
    assert_eq!(registers(&said)[0], registers(&said)[2], "{said:?}");
    assert!(said[3].contains("No symbol \"c_function\""), "{}", said[3]);
    println!("gdb finds the registers that Rust had when it called a C function");
}

/// The trampoline has a record of its own: by that of a body, its caller would get the registers of the code.
fn gdb_finds_the_registers_of_rust() {
    let steps: [&[&str]; 3] = [
        &["break *((char *) gate)", "continue", "echo :", REGISTERS],
        &["continue", "frame function gate", "up", "echo :", REGISTERS],
        &["frame function inner", "echo :", REGISTERS],
    ];
    let Some(said) = gdb("flip", &steps) else { return };
    let registers = registers(&said);
    assert_eq!(registers[0], registers[1], "{said:?}");
    assert_ne!(registers[0], registers[2], "the code has others: {said:?}");
    println!("gdb finds the registers that Rust had when it called");
}

/// A directory of its own, which is emptied first.
fn directory() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("perf");
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a directory");
    path
}

fn perf_knows_functions_and_their_callers() {
    let directory = directory();
    let path = |name: &str| directory.join(name).to_str().expect("UTF-8").to_owned();
    let (recorded, injected) = (path("perf.data"), path("injected.data"));
    let record = |arguments: &[&str]| {
        let program = this_program();
        let perf = ["record", "-k", "mono", "-g", "-o", &recorded, &program];
        let said = ask("perf", &[&perf[..], arguments].concat())?;
        // Else a role that fails, and leaves no sample, would look like a host where perf may not record.
        let [begun, ended] = [looked_at::BEGINS, looked_at::ENDS].map(|mark| said.contains(mark));
        assert!(ended || !begun, "{} failed:\n{said}", arguments[0]);
        let samples = fs::metadata(&recorded).is_ok_and(|file| file.len() > 0) && said.contains("samples)");
        if !samples {
            eprintln!("perf may not record here, and nothing is claimed of it:\n{said}");
        }
        samples.then_some(said)
    };

    if record(&["dumped", &path(".")]).is_none() {
        return;
    }
    ask("perf", &["inject", "--jit", "-i", &recorded, "-o", &injected]);
    spins(&injected, "by the dump");

    let Some(said) = record(&["mapped"]) else { return };
    spins(&recorded, "by the map");
    let map = said.lines().find(|line| line.starts_with("/tmp/")).expect("the process has told where it is");
    fs::remove_file(map).expect("it has written one");
}

/// Whether most samples are in code called by code, called by Rust.
fn spins(recorded: &str, how: &str) {
    let said = ask("perf", &["script", "-F", "ip,sym", "-i", recorded]).expect("it was there");
    // A sample is a block of lines, each an address and the name of a function.
    let samples = said.split("\n\n").map(|sample| {
        let functions = sample.lines().filter_map(|line| line.trim().split_once(' '));
        functions.map(|(_, function)| function.trim()).collect::<Vec<_>>()
    });
    let samples: Vec<_> = samples.filter(|sample| !sample.is_empty()).collect();
    let chain = ["spinning", "calling", "gate"];
    let found = samples.iter().filter(|sample| sample.starts_with(&chain)).count();
    assert!(2 * found > samples.len(), "{found} of {} samples {how}:\n{said}", samples.len());
    let known = |sample: &&Vec<&str>| sample.get(3).is_some_and(|name| *name != "[unknown]");
    let beyond = samples.iter().filter(|sample| sample.starts_with(&chain)).filter(known).count();
    assert_eq!(beyond, found, "Rust beyond, {how}:\n{said}");
    println!("perf has {found} of {} samples in code called by code, {how}", samples.len());
}
