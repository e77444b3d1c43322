//! What stands in the list of files, read by somebody else.

use super::super::SourceFile;
use super::Gdb;
use super::interface::listed;
use crate::memory::CodeHeap;
use crate::stitch::{Assembler, Code, SourcePosition};
use crate::x64;
use object::read::elf::{ElfFile64, FileHeader};
use object::{Object, ObjectSection, ObjectSymbol};

fn publish(heap: &CodeHeap, name: &str) -> Code {
    let mut asm = Assembler::new();
    asm.set_name(name);
    x64!(asm => push rbp; mov rbp, rsp);
    asm.mark(SourcePosition(7));
    x64!(asm => mov eax, 42);
    asm.mark(SourcePosition(9));
    x64!(asm => leave; ret);
    asm.seal().and_then(|sealed| sealed.publish(heap)).expect("published")
}

/// The names of the symbols in the list that belong to `code`, and of the sections of their files.
fn files(code: &Code) -> Vec<(String, Vec<String>)> {
    let read = |bytes: &Vec<u8>| {
        let file = ElfFile64::<object::Endianness>::parse(&bytes[..]).expect("an object file");
        assert_eq!(file.elf_header().e_machine(object::Endianness::Little), object::elf::EM_X86_64);
        let symbols: Vec<_> = file.symbols().collect();
        assert_eq!(symbols.len(), 1);
        let text = file.section_by_name(".text").expect("it has code");
        assert_eq!((symbols[0].address(), symbols[0].size()), (text.address(), text.size()));
        let name = symbols[0].name().expect("UTF-8").to_owned();
        let sections = file.sections().filter_map(|section| section.name().ok().map(str::to_owned)).collect();
        (text.address() == code.address() as u64).then_some((name, sections))
    };
    listed().iter().filter_map(read).collect()
}

#[test]
fn a_file_is_in_the_list_as_long_as_its_code() {
    let heap = CodeHeap::probe().expect("this machine gives code memory");
    let gdb = heap.observe(Gdb::new().with_source(SourceFile::new("some.program")));
    let [first, second, third] = ["first", "second", "third"].map(|name| publish(&heap, name));
    for (code, name) in [(&first, "first"), (&second, "second"), (&third, "third")] {
        let [(found, sections)] = &files(code)[..] else { panic!("one file for {name}") };
        assert_eq!(found, name);
        for section in [".eh_frame", ".debug_line", ".debug_info"] {
            assert!(sections.iter().any(|name| name == section), "{section} in {sections:?}");
        }
    }
    // Out of the middle, from the end, from the front.
    for code in [second, first, third] {
        let again = code.clone();
        drop(code);
        assert_eq!(files(&again).len(), 1, "somebody may run it yet");
        let address = again.address();
        drop(again);
        assert!(!gdb.lock().unwrap().files.contains_key(&address));
        let left = listed().iter().any(|bytes| {
            let file = ElfFile64::<object::Endianness>::parse(&bytes[..]).expect("an object file");
            file.symbols().any(|symbol| symbol.address() == address as u64)
        });
        assert!(!left, "nobody can run it");
    }
}

#[test]
fn code_that_was_described_has_its_own_record() {
    let heap = CodeHeap::probe().expect("this machine gives code memory");
    let _gdb = heap.observe(Gdb::new().without_frames());
    let code = publish(&heap, "special");
    let has_record =
        |code: &Code| files(code).iter().any(|(_, sections)| sections.contains(&".eh_frame".into()));
    assert!(!has_record(&code));
    heap.describe(code.address(), &[0; 4]);
    assert!(has_record(&code));
    assert_eq!(files(&code).len(), 1, "in place of the other file");
}
