//! fib and sum through cranelift-jit, from its IR builder to code that can be called.
#![allow(unsafe_code)]

use cranelift_codegen::Context;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{AbiParam, BlockArg, InstBuilder, UserFuncName};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{FuncId, Linkage, Module, default_libcall_names};
use std::mem::transmute;

/// How Cranelift is to compile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// Optimised code.
    Speed,
    /// Code soon: no optimisation, single-pass register allocation.
    Fastest,
}

/// Which function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names say it
pub enum Which {
    Fib,
    Sum,
}

/// Cranelift's JIT with the allocations that it keeps from function to function.
pub struct Cranelift {
    module: JITModule,
    context: Context,
    builder: FunctionBuilderContext,
    compiled: u32,
}

/// Code of Cranelift that takes and returns one integer. Its memory is never freed.
pub type Compiled = extern "C" fn(i64) -> i64;

impl Cranelift {
    /// For the machine at hand.
    #[must_use]
    pub fn new(setting: Setting) -> Cranelift {
        let mut flags = settings::builder();
        let mut set = |name, value| flags.set(name, value).expect("a setting that Cranelift has");
        match setting {
            Setting::Speed => set("opt_level", "speed"),
            Setting::Fastest => {
                set("opt_level", "none");
                set("regalloc_algorithm", "single_pass");
            }
        }
        // It checks the IR, which is nothing that code in production waits for.
        set("enable_verifier", "false");
        let isa = cranelift_native::builder().expect("Cranelift knows this machine");
        let isa = isa.finish(settings::Flags::new(flags)).expect("the settings fit together");
        let module = JITModule::new(JITBuilder::with_isa(isa, default_libcall_names()));
        let context = module.make_context();
        Cranelift { module, context, builder: FunctionBuilderContext::new(), compiled: 0 }
    }

    /// Compile a function anew.
    #[must_use]
    pub fn compile(&mut self, which: Which) -> Compiled {
        self.context.func.signature.params.push(AbiParam::new(I64));
        self.context.func.signature.returns.push(AbiParam::new(I64));
        let name = format!("f{}", self.compiled);
        self.compiled += 1;
        let id = self.module.declare_function(&name, Linkage::Local, &self.context.func.signature);
        let id = id.expect("a new name");
        self.context.func.name = UserFuncName::user(0, id.as_u32());
        match which {
            Which::Fib => self.fib(id),
            Which::Sum => self.sum(),
        }
        self.module.define_function(id, &mut self.context).expect("the function can be compiled");
        self.module.clear_context(&mut self.context);
        self.module.finalize_definitions().expect("there is memory for it");
        let address = self.module.get_finalized_function(id);
        // SAFETY: the code at the address was just made for a function with the C calling convention (the
        // default of this machine), one i64 parameter and one i64 result, and the module that owns it is
        // only ever leaked or dropped without freeing its code (`JITModule::free_memory` is not called).
        unsafe { transmute::<*const u8, Compiled>(address) }
    }

    fn fib(&mut self, id: FuncId) {
        let itself = self.module.declare_func_in_func(id, &mut self.context.func);
        let mut b = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        let (entry, small, recurse) = (b.create_block(), b.create_block(), b.create_block());
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        let n = b.block_params(entry)[0];
        let is_small = b.ins().icmp_imm_s(IntCC::SignedLessThan, n, 2);
        b.ins().brif(is_small, small, &[], recurse, &[]);
        b.switch_to_block(small);
        b.ins().return_(&[n]);
        b.switch_to_block(recurse);
        let mut call = |less: i64| {
            let argument = b.ins().iadd_imm_s(n, -less);
            let call = b.ins().call(itself, &[argument]);
            b.inst_results(call)[0]
        };
        let (first, second) = (call(1), call(2));
        let result = b.ins().iadd(first, second);
        b.ins().return_(&[result]);
        b.seal_all_blocks();
        b.finalize(self.module.isa().frontend_config());
    }

    fn sum(&mut self) {
        let mut b = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        let (entry, test, body, done) =
            (b.create_block(), b.create_block(), b.create_block(), b.create_block());
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        let n = b.block_params(entry)[0];
        let zero = b.ins().iconst(I64, 0);
        b.ins().jump(test, &[BlockArg::Value(zero), BlockArg::Value(zero)]);
        let (i, s) = (b.append_block_param(test, I64), b.append_block_param(test, I64));
        b.switch_to_block(test);
        let goes_on = b.ins().icmp(IntCC::SignedLessThan, i, n);
        b.ins().brif(goes_on, body, &[], done, &[]);
        b.switch_to_block(body);
        let next = b.ins().iadd_imm_s(i, 1);
        let sum = b.ins().iadd(s, next);
        b.ins().jump(test, &[BlockArg::Value(next), BlockArg::Value(sum)]);
        b.switch_to_block(done);
        b.ins().return_(&[s]);
        b.seal_all_blocks();
        b.finalize(self.module.isa().frontend_config());
    }
}
