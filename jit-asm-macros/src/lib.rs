//! `x64!` and `templates!`: a thin shell around `jit_asm`.
