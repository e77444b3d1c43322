//! An object file of one function that is in memory already.

use super::SourceFile;
use gimli::write::{
    Address, AttributeValue, DwarfUnit, EndianVec, LineProgram, LineString, Sections, Writer as _,
};
use gimli::{Encoding, Format, LineEncoding, LittleEndian};
use object::write::elf::{FileHeader, SectionHeader, SectionIndex, Sym, Writer};
use object::{Endianness, elf};

/// What there is to say of a piece of code.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) name: String,
    pub(super) address: usize,
    pub(super) len: usize,
    /// Where each line begins, by offset.
    pub(super) lines: Vec<(usize, Option<u32>)>,
}

/// The file to be written.
pub(super) struct ObjectFile<'a> {
    pub(super) text: &'a Text,
    /// A list of records as in `.eh_frame`.
    pub(super) record: Option<&'a [u8]>,
    pub(super) source: &'a SourceFile,
}

impl ObjectFile<'_> {
    /// The bytes of an ELF file, linked for the address of the code, whose bytes it has not.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut sections: Vec<(String, Vec<u8>)> = vec![];
        sections.extend(self.record.map(|record| (".eh_frame".to_owned(), record.to_vec())));
        if !self.text.lines.is_empty() {
            sections.extend(self.debug_sections());
        }
        elf_file(self.text, &sections).expect("a file of some kilobytes can be written to memory")
    }

    /// Lines, and the unit that they belong to (DWARF 4, 3.1 and 6.2).
    fn debug_sections(&self) -> Vec<(String, Vec<u8>)> {
        let Text { name, address, len, lines } = self.text;
        let encoding = Encoding { format: Format::Dwarf32, version: 4, address_size: 8 };
        let mut unit = DwarfUnit::new(encoding);
        let string = |text: &str| LineString::String(text.as_bytes().to_vec());
        let file = self.source.file();
        let mut program =
            LineProgram::new(encoding, LineEncoding::default(), string("."), None, string(file), None);
        let directory = program.default_directory();
        let file_id = program.add_file(string(file), directory, None);
        let start = Address::Constant(*address as u64);
        program.begin_sequence(Some(start));
        for &(at, line) in lines {
            let row = program.row();
            (row.address_offset, row.file, row.line) = (at as u64, file_id, line.unwrap_or(0).into());
            program.generate_row();
        }
        program.end_sequence(*len as u64);
        unit.unit.line_program = program;
        let root = unit.unit.root();
        let function = unit.unit.add(root, gimli::DW_TAG_subprogram);
        for (entry, name) in [(root, file), (function, name.as_str())] {
            let name = AttributeValue::String(name.as_bytes().to_vec());
            let entry = unit.unit.get_mut(entry);
            entry.set(gimli::DW_AT_name, name);
            entry.set(gimli::DW_AT_low_pc, AttributeValue::Address(start));
            entry.set(gimli::DW_AT_high_pc, AttributeValue::Udata(*len as u64));
        }
        unit.unit.get_mut(root).set(gimli::DW_AT_stmt_list, AttributeValue::LineProgramRef);
        let mut sections = Sections::new(EndianVec::new(LittleEndian));
        unit.write(&mut sections).expect("constant addresses and rows in order can be written");
        let mut written = vec![];
        let collected: Result<(), gimli::write::Error> = sections.for_each(|id, section| {
            if section.len() > 0 {
                written.push((id.name().to_owned(), section.slice().to_vec()));
            }
            Ok(())
        });
        collected.expect("nothing refuses");
        written
    }
}

/// Alignment of what stands in the file.
const ALIGN: u64 = 8;

fn elf_file(text: &Text, contents: &[(String, Vec<u8>)]) -> object::write::Result<Vec<u8>> {
    let mut file = vec![];
    let mut writer = Writer::new(Endianness::Little, true, &mut file);
    // First where everything will be.
    writer.reserve_file_header();
    writer.reserve_null_section_index();
    let text_name = writer.add_section_name(b".text");
    let text_index = writer.reserve_section_index();
    let mut placed = vec![];
    for (name, bytes) in contents {
        let name = writer.add_section_name(name.as_bytes());
        writer.reserve_section_index();
        placed.push((name, writer.reserve(bytes.len() as u64, ALIGN), bytes));
    }
    let symbol = writer.add_string(text.name.as_bytes());
    writer.reserve_null_symbol_index();
    writer.reserve_symbol_index(Some(text_index));
    writer.reserve_symtab_section_index();
    writer.reserve_strtab_section_index();
    writer.reserve_shstrtab_section_index();
    writer.reserve_symtab();
    writer.reserve_strtab()?;
    writer.reserve_shstrtab()?;
    writer.reserve_section_headers();

    // Then the same in this order.
    writer.write_file_header(&FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_EXEC,
        e_machine: elf::EM_X86_64,
        e_entry: 0,
        e_flags: elf::FileFlags(0),
    })?;
    for &(_, offset, bytes) in &placed {
        writer.pad_until(offset);
        writer.write(bytes);
    }
    writer.write_null_symbol();
    writer.write_symbol(&symbol_of(text, text_index, writer.string_offset(Some(symbol))));
    writer.write_strtab();
    writer.write_shstrtab();
    writer.write_null_section_header();
    writer.write_section_header(&section_of(text, writer.section_name_offset(Some(text_name))));
    for (name, offset, bytes) in placed {
        let name = writer.section_name_offset(Some(name));
        writer.write_section_header(&SectionHeader {
            sh_name: name,
            sh_type: elf::SHT_PROGBITS,
            sh_flags: elf::SectionFlags(0),
            sh_addr: 0,
            sh_offset: offset,
            sh_size: bytes.len() as u64,
            sh_link: 0,
            sh_info: 0,
            sh_addralign: ALIGN,
            sh_entsize: 0,
        });
    }
    writer.write_symtab_section_header(1);
    writer.write_strtab_section_header();
    writer.write_shstrtab_section_header();
    Ok(file)
}

/// The function as a symbol.
fn symbol_of(text: &Text, section: SectionIndex, name: u32) -> Sym {
    Sym {
        section: Some(section.0),
        st_name: name,
        st_info: elf::SymbolInfo::new(elf::STB_GLOBAL, elf::STT_FUNC),
        st_other: elf::SymbolOther(0),
        st_shndx: elf::SHN_UNDEF,
        st_value: text.address as u64,
        st_size: text.len as u64,
    }
}

/// The section that the code is in: of the file it has no bytes.
fn section_of(text: &Text, name: u32) -> SectionHeader {
    SectionHeader {
        sh_name: name,
        sh_type: elf::SHT_NOBITS,
        sh_flags: elf::SHF_ALLOC | elf::SHF_EXECINSTR,
        sh_addr: text.address as u64,
        sh_offset: 0,
        sh_size: text.len as u64,
        sh_link: 0,
        sh_info: 0,
        sh_addralign: 16,
        sh_entsize: 0,
    }
}
