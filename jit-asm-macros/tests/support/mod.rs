//! A reader of code, and a sink that notes what it is told.
#![allow(dead_code)] // no test uses all of it

use expect_test::Expect;
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
use jit_asm::{AlignSink, Field, LinkSink, Sink, Template};

/// The code as iced-x86 reads it, an instruction a line.
pub(crate) fn read(code: &[u8]) -> String {
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    formatter.options_mut().set_hex_prefix("0x");
    formatter.options_mut().set_hex_suffix("");
    let mut text = String::new();
    for insn in &mut Decoder::with_ip(64, code, 0, DecoderOptions::NONE) {
        let from = insn.ip() as usize;
        for byte in &code[from..from + insn.len()] {
            text += &format!("{byte:02x}");
        }
        text += "  ";
        formatter.format(&insn, &mut text);
        text += "\n";
    }
    text
}

pub(crate) fn check(code: &[u8], expected: Expect) {
    expected.assert_eq(&read(code));
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Label(pub(crate) u32);
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Function(pub(crate) u64);

/// A sink that notes what it is asked to link.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) code: Vec<u8>,
    pub(crate) linked: Vec<String>,
    pub(crate) templates: Vec<&'static Template>,
}

impl AlignSink for Notes {
    fn align(&mut self, to: u32, ahead: u32) {
        self.code.align(to, ahead);
    }
    fn note_patchable(&mut self, ahead: u32) {
        self.linked.push(format!("patchable at {}", self.code.len() + ahead as usize));
    }
}

impl Sink for Notes {
    fn put_piece<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut [u8; N] {
        self.code.put_piece(bytes)
    }
    fn put_template<const N: usize>(&mut self, bytes: &[u8; N], template: &'static Template) -> &mut [u8; N] {
        assert_eq!(bytes[..], template.bytes[..]);
        self.templates.push(template);
        self.put_piece(bytes)
    }
    fn note_data(&mut self, ahead: u32, len: u32) {
        self.linked.push(format!("data at {}: {len}", self.code.len() + ahead as usize));
    }
}

impl LinkSink<Label> for Notes {
    fn link_rel32(&mut self, field: Field, target: Label) -> [u8; 4] {
        let at = self.code.len() + field.ahead as usize;
        self.linked.push(format!("{at}+{}: {target:?}", field.tail));
        [0; 4]
    }
}

impl LinkSink<Function> for Notes {
    fn link_rel32(&mut self, field: Field, target: Function) -> [u8; 4] {
        let at = self.code.len() + field.ahead as usize;
        self.linked.push(format!("{at}+{}: {target:?}", field.tail));
        [0; 4]
    }
}
