//! The walk over the bytecode: prologue, one method a family of instructions, joins, exits.

use super::emit::{Emitter, payload_at, tag_at};
use super::kinds::Kinds;
use super::pinning;
use super::templates as t;
use super::{CompileError, Compiled, Request};
use crate::module::{MAX_FUNCTIONS, MAX_LOCALS, MAX_STACK};
use crate::op::{FuncId, Op};
use crate::profile::Profile;
use crate::value::{Kind, Value};
use crate::verify::Verified;
use jit_runtime::deopt::{FrameMaps, MapEntry, Source, WordAt};
use jit_runtime::frame;
use jit_runtime::memory::CodeHeap;
use jit_runtime::registers::{Emit, Entry, Payload, Slot, StackCache, Tag};
use jit_runtime::stitch::{Assembler, Label, SourcePosition};
use jit_runtime::{Gpr, RegSet};

/// The word of a slot that is its tag, and the one that is its payload, as frame maps count them.
pub(super) const TAG_WORD: u8 = (Value::TAG / 8) as u8;
pub(super) const PAYLOAD_WORD: u8 = (Value::PAYLOAD / 8) as u8;

/// What the cache may use. rbx and r14 are the VM's, rbp and rsp the machine's, r11 is scratch, and
/// the rest mirror locals of loops.
const ALLOCATABLE: RegSet = RegSet::of(&[Gpr::Rax, Gpr::Rcx, Gpr::Rdx, Gpr::Rsi, Gpr::Rdi, Gpr::R8, Gpr::R9]);

/// How many values of the operand stack keep registers.
const WINDOW: usize = 4;

/// The buffers of the compiler, kept from one function to the next.
#[derive(Debug)]
pub struct Compiler {
    pub(super) emit: Emitter,
    /// Stands in for the assembler while its code is published, or for good where the code cannot be sealed.
    spare: Option<Assembler>,
    listing: bool,
    pub(super) cache: StackCache<Kind, Value>,
    pub(super) kinds: Kinds,
    /// Of each position that is a jump target, its label.
    labels: Vec<Option<Label>>,
    maps: FrameMaps,
    /// Exits emitted so far: the map entry, and the label behind the call.
    exits: Vec<(MapEntry, Label)>,
}

impl Default for Compiler {
    fn default() -> Compiler {
        Compiler::new(false)
    }
}

impl Compiler {
    /// A compiler; with `listing` its code remembers which template came from which bytecode.
    #[must_use]
    pub fn new(listing: bool) -> Compiler {
        Compiler {
            emit: Emitter { asm: assembler(listing), pinned: vec![] },
            spare: None,
            listing,
            cache: StackCache::new(ALLOCATABLE, WINDOW, Slot(0)),
            kinds: Kinds::default(),
            labels: vec![],
            maps: FrameMaps::new(),
            exits: vec![],
        }
    }

    /// Translate a function and publish its code.
    ///
    /// # Errors
    /// The host refuses memory, or the code is longer than 1 GiB.
    pub fn compile(&mut self, request: &Request<'_>, heap: &CodeHeap) -> Result<Compiled, CompileError> {
        let f = request.program.function(request.function);
        self.cache.reset(Slot(f.locals() as u32));
        self.kinds.reset(f);
        pinning::choose(f, &mut self.emit.pinned);
        self.labels.clear();
        self.labels.resize(f.code().len(), None);
        self.maps.clear();
        self.exits.clear();
        self.emit.asm.set_name(f.name());
        Walk { request, f, out: self, exit_common: None, pc: 0 }.function();
        self.publish(heap)
    }

    fn publish(&mut self, heap: &CodeHeap) -> Result<Compiled, CompileError> {
        // A function that cannot be sealed takes its assembler with it: another is there for the next.
        let spare = self.spare.take().unwrap_or_else(|| assembler(self.listing));
        let sealed = std::mem::replace(&mut self.emit.asm, spare).seal()?;
        debug_assert_eq!(
            frame::check(&sealed.bytes()[..sealed.code_len()], sealed.data()),
            [],
            "the unwinder relies on the frame convention"
        );
        for &(entry, behind) in &self.exits {
            let offset = sealed.offset_of(behind).expect("an exit's label is bound where it is made");
            self.maps.place(entry, offset.0);
        }
        self.maps.finish();
        let (code, asm) = sealed.publish_and_recycle(heap);
        self.spare = Some(std::mem::replace(&mut self.emit.asm, asm));
        // The copy is as long as it has to be; what it is copied from has grown for other functions.
        Ok(Compiled { code: code?, maps: self.maps.clone() })
    }
}

fn assembler(listing: bool) -> Assembler {
    if listing { Assembler::with_listing() } else { Assembler::new() }
}

/// One function being translated.
pub(super) struct Walk<'a> {
    request: &'a Request<'a>,
    pub(super) f: &'a Verified,
    pub(super) out: &'a mut Compiler,
    /// The label that all exits of the function share.
    exit_common: Option<Label>,
    pub(super) pc: u32,
}

impl Walk<'_> {
    fn function(&mut self) {
        self.prologue();
        let code = self.f.code();
        // Whether control can come from the instruction before.
        let mut falls = true;
        while let Some(&op) = code.get(self.pc as usize) {
            if let Some(depth) = self.f.depth(self.pc) {
                if self.f.is_jump_target(self.pc) {
                    self.join(falls, depth);
                }
                self.out.emit.asm.mark(SourcePosition(self.pc));
                falls = self.instruction(op);
            }
            self.pc += 1;
        }
        if let Some(common) = self.exit_common {
            let deopt = self.request.wiring.deopt;
            self.asm().cold(|asm| {
                asm.unmark();
                asm.bind(common);
                t::to_deopt(asm, deopt);
            });
        }
    }

    fn prologue(&mut self) {
        let (f, wiring) = (self.f, self.request.wiring);
        let number = self.request.function.0 as i32;
        let asm = self.asm();
        frame::enter_frame(asm);
        let overflow = asm.label();
        t::check_stack(asm, (f.frame_size() * Value::SIZE) as i32, overflow);
        asm.cold(|asm| {
            asm.bind(overflow);
            t::no_room(asm, number, wiring.overflow);
        });
        self.clear_locals();
        self.out.emit.load_mirrors();
    }

    /// Locals that are no parameters start as the integer 0: all bits zero, tag included.
    fn clear_locals(&mut self) {
        const _: () = assert!(Value::ZERO.tag() == 0 && Value::ZERO.payload() == 0);
        let (params, locals) = (self.f.params() as u32, self.f.locals() as u32);
        let asm = self.asm();
        if params == locals {
            return;
        }
        t::zero_rax(asm);
        if locals - params <= 4 {
            for slot in (params..locals).map(Slot) {
                t::clear_word(asm, tag_at(slot));
                t::clear_word(asm, payload_at(slot));
            }
        } else {
            t::clear_words(asm, tag_at(Slot(params)), ((locals - params) * 2) as i32);
        }
    }

    /// Every way into this position agrees that all values are at home.
    fn join(&mut self, falls: bool, depth: usize) {
        if falls {
            self.flush();
        }
        self.out.cache.restart(depth);
        self.out.kinds.forget();
        let label = self.label_at(self.pc);
        self.asm().bind(label);
    }

    /// Translate one instruction; whether control can go on behind it.
    fn instruction(&mut self, op: Op) -> bool {
        match op {
            Op::Int(value) => self.constant(Value::int(value.into())),
            Op::Constant(id) => self.constant(self.f.constants()[id.0 as usize]),
            Op::Bool(value) => self.constant(Value::bool(value)),
            Op::Get(local) => self.get(local),
            Op::Set(local) => {
                self.write_local(local);
                self.out.cache.discard();
            }
            Op::Tee(local) => self.write_local(local),
            Op::Pop => self.out.cache.discard(),
            Op::Dup => self.out.cache.dup(&mut self.out.emit),
            Op::Swap => self.out.cache.swap(&mut self.out.emit),
            Op::Add | Op::Sub | Op::Mul | Op::Band | Op::Bor | Op::Bxor => self.arithmetic(op),
            Op::Div | Op::Rem => self.signed_division(op),
            Op::Udiv | Op::Urem => self.unsigned_division(op),
            Op::Shl | Op::Shr | Op::Sar => self.shift(op),
            Op::Neg | Op::Bnot => self.unary(op),
            Op::Not => self.not(),
            Op::Eq | Op::Ne | Op::Lt | Op::Le | Op::Gt | Op::Ge | Op::Ult | Op::Ule | Op::Ugt | Op::Uge => {
                return self.comparison(op);
            }
            Op::Jump(target) => {
                self.flush();
                let to = self.label_at(target.0);
                t::jmp(self.asm(), to);
                return false;
            }
            Op::JumpIf(target) => return self.branch_on_value(target.0, true),
            Op::JumpIfNot(target) => return self.branch_on_value(target.0, false),
            Op::Call(callee) => self.call(callee),
            Op::Ret => {
                self.ret();
                return false;
            }
        }
        true
    }

    pub(super) fn constant(&mut self, value: Value) {
        let entry = Entry { payload: Payload::Const(value), tag: Tag::Known(value.kind()) };
        self.push(entry);
    }

    fn get(&mut self, local: u16) {
        let tag = self.out.kinds.of(local).map_or(Tag::InSlot, Tag::Known);
        self.push(Entry { payload: Payload::Slot(Slot(local.into())), tag });
    }

    /// The local becomes the top of the stack, which stays where it is.
    fn write_local(&mut self, local: u16) {
        let slot = Slot(local.into());
        let out = &mut *self.out;
        if out.cache.peek(0).payload == Payload::Slot(slot) {
            return;
        }
        out.cache.before_write(&mut out.emit, slot);
        if matches!(out.cache.peek(0).payload, Payload::Slot(_)) {
            out.cache.materialise(&mut out.emit, 0);
        }
        let value = *out.cache.peek(0);
        let kind = value.kind();
        let known = out.kinds.of(local);
        out.emit.write(slot, &value, known);
        out.kinds.learn(local, kind);
    }

    fn call(&mut self, callee: FuncId) {
        let params = self.request.program.function(callee).params();
        self.flush();
        for _ in 0..params {
            self.out.cache.discard();
        }
        let base = self.out.cache.home(self.out.cache.depth());
        t::call(self.asm(), tag_at(base), callee.0 as i32 * 8);
        self.out.emit.load_mirrors();
        let out = &mut *self.out;
        out.cache.claim(&mut out.emit, Gpr::Rax);
        out.cache.claim(&mut out.emit, Gpr::Rdx);
        self.push(Entry { payload: Payload::Reg(Gpr::Rax), tag: Tag::Reg(Gpr::Rdx) });
    }

    /// The payload of the top goes to rax, its tag to rdx.
    fn ret(&mut self) {
        let value = self.out.cache.pop();
        self.out.cache.release_entry(&value);
        let emit = &mut self.out.emit;
        let mut tag = value.tag;
        if tag == Tag::Reg(Gpr::Rax) {
            // Out of the way of the payload.
            emit.copy(Gpr::R11, Gpr::Rax);
            tag = Tag::Reg(Gpr::R11);
        }
        load_payload_word(emit, &value);
        load_tag_word(emit, &Entry { tag, ..value });
        frame::leave_frame(self.asm());
    }

    /// An exit with the state as it is now: the whole stack, nothing of the current instruction done.
    /// It is only true until a register of an entry changes.
    pub(super) fn exit(&mut self) -> Label {
        let cache = &self.out.cache;
        let words = cache.away().flat_map(|(n, entry)| words(cache.home(n), entry));
        let entry = self.out.maps.write(cache.depth() as u32, words);
        let asm = &mut self.out.emit.asm;
        let common = *self.exit_common.get_or_insert_with(|| asm.label());
        let label = asm.label();
        let behind = asm.cold(|asm| {
            asm.bind(label);
            t::exit(asm, common);
            asm.bound_label()
        });
        self.out.exits.push((entry, behind));
        label
    }

    /// From here on the value `n` below the top is of `kind`, or the code has been left.
    pub(super) fn guard_kind(&mut self, n: usize, kind: Kind, exit: Label) {
        let entry = *self.out.cache.peek(n);
        self.stress(exit);
        let asm = self.asm();
        match (entry.tag, entry.payload) {
            (Tag::Known(known), _) if known == kind => return,
            (Tag::Known(_), _) => t::jmp(asm, exit),
            (Tag::Reg(r), _) => t::guard_reg(asm, r, kind.tag() as i8, exit),
            (Tag::InSlot, Payload::Slot(slot)) => t::guard_slot(asm, tag_at(slot), kind.tag() as i8, exit),
            (Tag::InSlot, other) => unreachable!("a tag is in a slot only with its payload, not {other:?}"),
        }
        self.out.cache.learn(n, kind);
        if let Payload::Slot(slot) = entry.payload
            && slot.0 < self.f.locals() as u32
        {
            self.out.kinds.learn(slot.0 as u16, Some(kind));
        }
    }

    /// Under deopt stress every guard may leave although it holds.
    pub(super) fn stress(&mut self, exit: Label) {
        if self.request.stress {
            t::stress(self.asm(), exit);
        }
    }

    /// The exit of an operator on integers, whose operands are checked and known to be such from here on.
    pub(super) fn guard_integers(&mut self, operands: usize) {
        let known = |n| self.out.cache.peek(n).kind() == Some(Kind::Int);
        if (0..operands).all(known) && !self.request.stress {
            return;
        }
        let exit = self.exit();
        for n in 0..operands {
            self.guard_kind(n, Kind::Int, exit);
        }
    }

    pub(super) fn profile(&self) -> Option<&Profile> {
        self.request.profile
    }

    pub(super) fn push(&mut self, entry: Entry<Kind, Value>) {
        self.out.cache.push(&mut self.out.emit, entry);
    }

    pub(super) fn take(&mut self) -> Gpr {
        self.out.cache.take(&mut self.out.emit)
    }

    pub(super) fn in_register(&mut self, entry: Entry<Kind, Value>) -> Gpr {
        self.out.cache.into_reg(&mut self.out.emit, entry)
    }

    pub(super) fn flush(&mut self) {
        self.out.cache.flush(&mut self.out.emit);
    }

    pub(super) fn asm(&mut self) -> &mut Assembler {
        &mut self.out.emit.asm
    }

    pub(super) fn label_at(&mut self, pc: u32) -> Label {
        let asm = &mut self.out.emit.asm;
        *self.out.labels[pc as usize].get_or_insert_with(|| asm.label())
    }
}

/// rax becomes the payload.
fn load_payload_word(emit: &mut Emitter, value: &Entry<Kind, Value>) {
    match value.payload {
        Payload::Reg(Gpr::Rax) => {}
        Payload::Reg(r) => emit.copy(Gpr::Rax, r),
        Payload::Const(value) => emit.load_const(Gpr::Rax, value),
        Payload::Slot(slot) => emit.load_payload(Gpr::Rax, slot),
    }
}

/// rdx becomes the tag.
fn load_tag_word(emit: &mut Emitter, value: &Entry<Kind, Value>) {
    match (value.tag, value.payload) {
        (Tag::Reg(Gpr::Rdx), _) => {}
        (Tag::Reg(r), _) => emit.copy(Gpr::Rdx, r),
        (Tag::Known(kind), _) => emit.load_const(Gpr::Rdx, Value::int(kind.tag() as i64)),
        (Tag::InSlot, Payload::Slot(slot)) => emit.load_tag(Gpr::Rdx, slot),
        (Tag::InSlot, other) => unreachable!("a tag is in a slot only with its payload, not {other:?}"),
    }
}

/// The words of a stack value that are not in its home.
fn words(home: Slot, entry: &Entry<Kind, Value>) -> impl Iterator<Item = (WordAt, Source)> {
    let at_home = entry.payload == Payload::Slot(home);
    let payload = match entry.payload {
        Payload::Const(value) => Source::Constant(value.payload()),
        Payload::Reg(r) => Source::Register(r),
        Payload::Slot(slot) => Source::Slot(slot.0),
    };
    let tag = match (entry.tag, entry.payload) {
        (Tag::Known(kind), _) => Source::Constant(kind.tag()),
        (Tag::Reg(r), _) => Source::Register(r),
        (Tag::InSlot, Payload::Slot(slot)) => Source::Slot(slot.0),
        (Tag::InSlot, other) => unreachable!("a tag is in a slot only with its payload, not {other:?}"),
    };
    let word = move |word, source| (WordAt { slot: home.0, word }, source);
    [word(TAG_WORD, tag), word(PAYLOAD_WORD, payload)].into_iter().filter(move |_| !at_home)
}

/// Slots and entries are within reach of the displacements of the templates, in every verified program.
const _: () = {
    const REACH: usize = i32::MAX as usize;
    assert!((MAX_LOCALS as usize + MAX_STACK as usize + 1) * Value::SIZE <= REACH);
    assert!(MAX_FUNCTIONS * size_of::<usize>() <= REACH);
};
