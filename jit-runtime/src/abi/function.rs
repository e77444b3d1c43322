//! C functions: the typed way to make one.

use super::body::Body;
use super::error::CFunctionError;
use super::kind::sealed::SealedFor;
use super::kind::{AbiReturn, AbiValue};
use super::signature::{AbiArguments, Passed, Returned, Signature, VariableArguments, VariadicSignature};
use super::value::{Argument, Callee, Local, Target, To, Value};
use crate::stitch::{Assembler, Code, CodePtr, Constant, Function, Label, Life, PatchPoint};
use core::fmt;
use core::marker::PhantomData;
use jit_asm::{Address, AlignSink, Field, LinkSink, RegSet, Sink, Template};

/// A function of the type `F` under construction in an assembler. It takes templates as the assembler does, and what
/// they do decides what the function saves: [the module](super) tells how, and shows one.
pub struct CFunction<'a, F> {
    body: Body<'a>,
    of: PhantomData<F>,
}

/// The beginning of a C function of the type `F`: it can be called from the same assembler, as soon as it has begun
/// and as long as that is not cleared.
pub struct CEntry<F> {
    at: CodePtr,
    label: Label,
    /// Where offsets and labels mean what they do here.
    life: Life,
    of: PhantomData<F>,
}

impl<F> CEntry<F> {
    /// Its first instruction, in the code of its assembler.
    #[must_use]
    pub const fn at(self) -> CodePtr {
        self.at
    }

    /// Whether it is in `code`: its assembler has become that, and was not cleared before.
    #[must_use]
    pub fn is_in(self, code: &Code) -> bool {
        code.is_of(self.life)
    }

    /// The same as a label of its assembler.
    #[must_use]
    pub const fn label(self) -> Label {
        self.label
    }
}

impl<F> Clone for CEntry<F> {
    fn clone(&self) -> CEntry<F> {
        *self
    }
}

impl<F> Copy for CEntry<F> {}

impl<F> fmt::Debug for CEntry<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CEntry<{}> at {}", core::any::type_name::<F>(), self.at)
    }
}

impl<F: Signature> SealedFor<F> for CEntry<F> {}
impl<F: Signature> Callee<F> for CEntry<F> {
    fn target(&self) -> Target {
        Target::new(To::Entry(self.label, self.life))
    }
}

impl<F> fmt::Debug for CFunction<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CFunction<{}>({:?})", core::any::type_name::<F>(), self.body)
    }
}

impl<'a, F: Signature> CFunction<'a, F> {
    /// Begin a function at the next multiple of 16 of the hot section.
    #[must_use]
    pub fn begin(asm: &'a mut Assembler) -> CFunction<'a, F> {
        CFunction { body: Body::begin(asm), of: PhantomData }
    }

    /// Its beginning, to be called by itself or by other functions of the assembler.
    #[must_use]
    pub fn entry(&self) -> CEntry<F> {
        let (at, label, life) = self.body.entry();
        CEntry { at, label, life, of: PhantomData }
    }

    /// The arguments where they arrive. What is in a register is there until a template or a call writes it. Of an
    /// argument that is narrower than its register or word, only its own bits count.
    #[must_use]
    pub fn arguments(&self) -> <F::Arguments as AbiArguments>::Values {
        F::Arguments::values(&Body::arguments(F::Arguments::KINDS))
    }

    /// Move the arguments that are in registers to locals, where calls do not reach them. To be called first.
    pub fn keep_arguments(&mut self) -> <F::Arguments as AbiArguments>::Locals {
        F::Arguments::locals(&self.body.keep_arguments(F::Arguments::KINDS))
    }

    /// A new local. It holds nothing yet.
    pub fn local<T: AbiValue>(&mut self) -> Local<T> {
        Local::new(self.body.area(8))
    }

    /// A new local that holds a value.
    pub fn local_with<T: AbiValue>(&mut self, value: impl Argument<T>) -> Local<T> {
        let local = self.local();
        self.set(local, value);
        local
    }

    /// Room of so many bytes in the frame: 8-aligned, and 16-aligned if they are a multiple of 16.
    pub fn area(&mut self, bytes: u32) -> Address {
        Address::new(jit_asm::Gpr::Rbp, self.body.area(bytes))
    }

    /// Move a value into a local, or into the register or memory that a [`Value`] names. Of memory, only the bytes of
    /// the type are written.
    pub fn set<T: AbiValue>(&mut self, to: impl Into<Value<T>>, from: impl Argument<T>) {
        self.body.set(T::KIND, to.into().place(), from.place());
    }

    /// Call a function. The results are where they come out, until a template or a call writes there.
    ///
    /// Arguments are moved as if all at once, so they may be in any register but r11, those of other arguments
    /// included. A panic that may pass the callee may pass this function: an `extern "C"` one calls no
    /// `extern "C-unwind"` one.
    ///
    /// ```compile_fail
    /// use jit_runtime::{abi::CFunction, stitch::Assembler};
    /// extern "C-unwind" fn may_panic() {}
    /// let mut asm = Assembler::new();
    /// let mut f = CFunction::<extern "C" fn()>::begin(&mut asm);
    /// f.call(may_panic as extern "C-unwind" fn(), ());
    /// ```
    ///
    /// Nor does a call with a value of another type compile:
    ///
    /// ```compile_fail,E0277
    /// use jit_runtime::{abi::CFunction, stitch::Assembler};
    /// extern "C" fn double(x: f64) -> f64 { 2.0 * x }
    /// let mut asm = Assembler::new();
    /// let mut f = CFunction::<extern "C" fn(i64)>::begin(&mut asm);
    /// let (n,) = f.arguments();
    /// f.call(double as extern "C" fn(f64) -> f64, (n,)); // `n` is an i64
    /// ```
    pub fn call<G: Signature, P: Passed<G::Arguments>>(
        &mut self,
        callee: impl Callee<G>,
        arguments: P,
    ) -> <G::Return as AbiReturn>::Values {
        const {
            assert!(F::UNWINDS || !G::UNWINDS, "a function that is `extern \"C\"` calls none that may unwind")
        };
        let kinds = G::Arguments::KINDS.iter().copied();
        let arguments: Vec<_> = kinds.zip(arguments.places()).collect();
        self.body.call(callee.target(), &arguments, false);
        G::Return::values()
    }

    /// Call a function with variable arguments: `al` says how many vector registers they take (System V AMD64 ABI,
    /// 3.5.7).
    ///
    /// ```compile_fail,E0277
    /// use jit_runtime::{abi::CFunction, stitch::Assembler};
    /// unsafe extern "C" { fn printf(format: *const u8, ...) -> i32; }
    /// let mut asm = Assembler::new();
    /// let mut f = CFunction::<extern "C" fn()>::begin(&mut asm);
    /// let printf: unsafe extern "C" fn(_, ...) -> _ = printf;
    /// f.call_variadic(printf, (c"%f".as_ptr().cast::<u8>(),), (1.5_f32,)); // C passes no float there
    /// ```
    pub fn call_variadic<G: VariadicSignature, P: Passed<G::Arguments>>(
        &mut self,
        callee: G,
        arguments: P,
        variable: impl VariableArguments,
    ) -> <G::Return as AbiReturn>::Values {
        const {
            assert!(F::UNWINDS || !G::UNWINDS, "a function that is `extern \"C\"` calls none that may unwind")
        };
        let kinds = G::Arguments::KINDS.iter().copied();
        let mut all: Vec<_> = kinds.zip(arguments.places()).collect();
        all.extend(variable.all());
        self.body.call(Target::new(To::Address(callee.address() as u64)), &all, true);
        G::Return::values()
    }

    /// Return a result: `()`, a value, or for a [`Pair`](super::Pair) a tuple of two. Where the end of the function is
    /// reached without it, the result is what the result registers hold.
    pub fn ret(&mut self, result: impl Returned<F::Return>) {
        self.body.ret(F::Return::KINDS, &result.places());
    }

    /// Emit a template without value holes.
    pub fn emit(&mut self, template: &'static Template) {
        self.body.emit_template(template);
    }

    /// A new label, not yet bound.
    pub fn label(&mut self) -> Label {
        self.body.label()
    }

    /// Bind a label here. On every way to it the same has been pushed.
    pub fn bind(&mut self, label: Label) {
        self.body.bind(label);
    }

    /// The patchable target that was emitted last: as [`Assembler::last_patch_point`].
    #[must_use]
    pub fn last_patch_point(&self) -> Option<PatchPoint> {
        self.body.last_patch_point()
    }

    /// Emit a rare part to the cold section, then go on here.
    pub fn cold<R>(&mut self, body: impl FnOnce(&mut CFunction<'a, F>) -> R) -> R {
        let back = self.body.go_cold();
        let result = body(self);
        self.body.come_back(back);
        result
    }

    /// Save these registers too, as far as they belong to the caller: something writes them that no template tells of,
    /// such as code that a template jumps to.
    pub fn clobbers(&mut self, registers: RegSet) {
        self.body.clobbers(registers);
    }

    /// What a call *in a template* writes, from here on, of the registers that belong to the caller. Unless this is
    /// said it may write all of them, as JIT bodies do: then all are saved. C functions write none.
    pub fn template_calls_write(&mut self, registers: RegSet) {
        self.body.calls_write(registers);
    }

    /// End the function. Until this is done the assembler seals nothing, but for being cleared.
    ///
    /// # Errors
    /// The first thing that was wrong with it. Sealing says it too: the assembler holds code that must not run, until it
    /// is cleared.
    pub fn finish(self) -> Result<CEntry<F>, CFunctionError> {
        let entry = self.entry();
        self.body.finish().map(|()| entry)
    }
}

impl<F> Sink for CFunction<'_, F> {
    #[inline]
    fn put_piece<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut [u8; N] {
        self.body.put_piece(bytes)
    }

    #[inline]
    fn put_template<const N: usize>(&mut self, bytes: &[u8; N], template: &'static Template) -> &mut [u8; N] {
        self.body.put_template(bytes, template)
    }

    fn note_data(&mut self, ahead: u32, len: u32) {
        self.body.note_data(ahead, len);
    }
}

impl<F> AlignSink for CFunction<'_, F> {
    fn align(&mut self, to: u32, ahead: u32) {
        self.body.align(to, ahead);
    }

    fn note_patchable(&mut self, ahead: u32) {
        self.body.note_patchable(ahead);
    }
}

// For each target by itself: what another crate links through an assembler would go past the body.
macro_rules! links {
    ($($target:ty),*) => {$(
        impl<F> LinkSink<$target> for CFunction<'_, F> {
            #[inline]
            fn link_rel32(&mut self, field: Field, target: $target) -> [u8; 4] {
                self.body.link_rel32(field, target)
            }
        }
    )*};
}
links!(Label, Function, Constant);
