//! What a template can be emitted into.
//!
//! The macro expands to calls of these few methods, so a template goes into a `Vec<u8>` as well as into
//! an assembler with labels. A piece arrives with its length in its type: one capacity check, one copy of
//! a fixed size, then stores at constant offsets into the array that is returned.

use crate::padding;
use crate::template::Template;

/// Something that takes code.
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes no code",
    note = "emit into a `Vec<u8>`, or into `jit_runtime`'s `Assembler` when the template has labels"
)]
pub trait Sink {
    /// Append `bytes` and return the place where they stand, for the holes to be filled.
    fn put_piece<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut [u8; N];

    /// [`Sink::put_piece`] for the bytes of `template`, which comes along for sinks that make listings.
    /// A sink that hands code on hands it on by this.
    #[inline(always)]
    fn put_template<const N: usize>(&mut self, bytes: &[u8; N], template: &'static Template) -> &mut [u8; N] {
        let _ = template;
        self.put_piece(bytes)
    }

    /// Told of data that is about to be put, `ahead` bytes behind the end. For sinks whose code is read as
    /// instructions.
    #[inline(always)]
    fn note_data(&mut self, ahead: u32, len: u32) {
        let _ = (ahead, len);
    }

    /// Itself: lets a macro borrow an expression that is a sink or a `&mut` to one.
    #[inline(always)]
    fn as_sink(&mut self) -> &mut Self {
        self
    }
}

/// A sink that can link a 32-bit distance to a target of type `T`: a label, a function, or a constant in memory.
///
/// `T` is the value that stands where a template jumps to, calls, or takes the address of something that is placed
/// later. The sinks of `jit_runtime` know its `stitch::Label`, `Function` and `Constant`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes no `{T}` as the target of a jump, a call or an address",
    note = "in a `jit_runtime::stitch::Assembler` these are, of `jit_runtime::stitch`: a `Label`, from `asm.label()`, for a place in the code; `Function(address)` for what stands at an address in this process; behind `[`, a `Constant`, for a number in memory",
    note = "a `Vec<u8>` takes templates without such targets only"
)]
pub trait LinkSink<T>: Sink {
    /// What to write into a 32-bit field of the piece that comes next, so that it will reach `target`.
    /// Asked before the piece is put: the bytes are then stored like those of any other hole.
    fn link_rel32(&mut self, field: Field, target: T) -> [u8; 4];
}

/// A sink that knows where its code will stand, as far as alignment goes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot align code",
    note = "patchable targets and `.align` want a sink that can, such as a `Vec<u8>` or `jit_runtime`'s `Assembler`"
)]
pub trait AlignSink: Sink {
    /// Pad with instructions that do nothing, so that what comes `ahead` bytes later stands at a multiple of `to`,
    /// a power of two up to 16.
    fn align(&mut self, to: u32, ahead: u32);

    /// Told of a patchable field that is about to be put, `ahead` bytes behind the end. It is 4-aligned. For sinks
    /// whose code is patched later; a sink that hands code on hands this on too, or the field is lost.
    fn note_patchable(&mut self, ahead: u32);
}

/// Aligned to the start of the vector: who copies the code elsewhere keeps that.
impl AlignSink for Vec<u8> {
    fn align(&mut self, to: u32, ahead: u32) {
        padding::nops(padding::padding(self.len(), to, ahead)).for_each(|nop| self.extend_from_slice(nop));
    }

    /// Who has the vector sees its fields in the template.
    #[inline(always)]
    fn note_patchable(&mut self, _: u32) {}
}

/// A 32-bit field of the piece that is emitted next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Bytes from the end of what has been emitted to the start of the field.
    pub ahead: u32,
    /// Bytes from the end of the field to the end of its instruction, from where the distance counts.
    pub tail: u32,
    /// Bytes that the instruction reads or writes at the target; 0 where it goes there, or wants the address.
    pub width: u32,
}

impl Sink for Vec<u8> {
    #[inline(always)]
    fn put_piece<const N: usize>(&mut self, bytes: &[u8; N]) -> &mut [u8; N] {
        self.extend_from_slice(bytes);
        self.last_chunk_mut().expect("N bytes were just appended")
    }
}

/// What a hole expands to: `bytes` in their place in a piece. `at` is a constant. The bytes are stored one by one,
/// for LLVM to put together: a slice would take it, and rustc before it, twice as long to see through, and it would
/// take the values from their registers earlier.
macro_rules! fill {
    ($($name:ident: [$($n:literal $byte:ident),+], $width:literal;)+) => {$(
        #[doc(hidden)]
        #[inline(always)]
        pub fn $name<const N: usize>(piece: &mut [u8; N], at: usize, [$($byte),+]: [u8; $width]) {
            $(piece[at + $n] = $byte;)+
        }
    )+};
}

fill! {
    fill1: [0 a], 1;
    fill2: [0 a, 1 b], 2;
    fill4: [0 a, 1 b, 2 c, 3 d], 4;
    fill8: [0 a, 1 b, 2 c, 3 d, 4 e, 5 f, 6 g, 7 h], 8;
}
