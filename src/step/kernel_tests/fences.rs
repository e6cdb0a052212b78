//! Where a kernel computes with floats: with exact arithmetic nothing that is rounded is used but behind the
//! fence of `shaders/shared/exact.wgsl`, where no compiler can tell what it is.

use super::modules::{
    OPERATIONS, computes, kernels, opened, parsed, specialised, specialised_from,
};
use crate::step::kernel::Kernel;
use crate::step::stages::Stage;
use crate::{Arithmetic, NormType};
use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{
    BinaryOperator, Block, Expression, Function, GlobalVariable, Handle, MathFunction, Module,
    ScalarKind, Statement, UnaryOperator,
};
use sparse_adam_testkit::campaign::fresh_seed;

/// The functions that approximate, and set right by integers what they find.
const APPROXIMATE: [&str; 2] = ["divided", "rooted"];
/// The function that makes floats of integers below 2^15, which are exact in f32.
const EXACT: &str = "f16_value";
/// Reads ahead; what it computes is never stored.
const READS_AHEAD: &str = "touch";

/// A function of a module, as far as floats go.
struct Floats<'a> {
    module: &'a Module,
    function: &'a Function,
    info: &'a FunctionInfo,
}

impl Floats<'_> {
    fn kind(&self, of: Handle<Expression>) -> Option<ScalarKind> {
        self.info[of].ty.inner_with(&self.module.types).scalar_kind()
    }

    /// Matrices and vectors of floats too.
    fn is_float(&self, of: Handle<Expression>) -> bool {
        self.kind(of) == Some(ScalarKind::Float)
    }

    /// What the function does with floats that it may not.
    fn faults(&self) -> Vec<String> {
        let name = self.function.name.as_deref().unwrap_or("main");
        let expressions = self.function.expressions.iter();
        match name {
            READS_AHEAD => Vec::new(),
            "settled" if !self.is_fence() => vec!["settled is no fence".into()],
            _ => expressions
                .filter(|(handle, expression)| !self.is_allowed(*handle, expression))
                .map(|(_, expression)| format!("{name}: {expression:?}"))
                .collect(),
        }
    }

    fn is_allowed(&self, handle: Handle<Expression>, expression: &Expression) -> bool {
        use BinaryOperator::{Add, Divide, Modulo, Multiply, Subtract};
        use MathFunction::{Floor, Sqrt};
        let float = self.is_float(handle);
        match *expression {
            Expression::Binary { op: Add | Subtract | Multiply, .. } if float => {
                self.is_settled(handle)
            }
            Expression::Binary { op: Divide, .. } if float => self.is_taken_for_bits(handle),
            Expression::Binary { op: Modulo, .. } if float => false,
            Expression::Unary { op: UnaryOperator::Negate, .. } => !float,
            Expression::Math { fun: Sqrt | Floor, .. } => self.is_taken_for_bits(handle),
            Expression::Math { arg, .. } => !float && !self.is_float(arg),
            // A conversion rounds, or overflows.
            Expression::As { expr, convert: Some(_), .. } => {
                self.approximates() || self.is_exact() || !(float || self.is_float(expr))
            }
            Expression::Derivative { .. } | Expression::CooperativeMultiplyAdd { .. } => false,
            _ => true,
        }
    }

    fn approximates(&self) -> bool {
        self.function.name.as_deref().is_some_and(|name| APPROXIMATE.contains(&name))
    }

    /// Whether it makes floats of small integers alone.
    fn is_exact(&self) -> bool {
        self.function.name.as_deref() == Some(EXACT)
    }

    /// Whether it is an approximation, and all that uses it makes an integer of it.
    fn is_taken_for_bits(&self, handle: Handle<Expression>) -> bool {
        let takes = |expression: &Expression| match *expression {
            Expression::As { expr, kind: ScalarKind::Uint | ScalarKind::Sint, .. } => {
                expr == handle
            }
            Expression::Math { fun: MathFunction::Floor, arg, .. } => arg == handle,
            _ => false,
        };
        let taken = self.function.expressions.iter().filter(|(_, held)| takes(held)).count();
        self.approximates() && taken == self.info[handle].ref_count
    }

    /// Whether all that uses it is the fence.
    fn is_settled(&self, handle: Handle<Expression>) -> bool {
        let mut calls = 0;
        walk(&self.function.body, &mut |statement| {
            if let Statement::Call { function, arguments, .. } = statement {
                let name = self.module.functions[*function].name.as_deref();
                calls += usize::from(name == Some("settled") && arguments == &[handle]);
            }
        });
        calls > 0 && calls == self.info[handle].ref_count
    }

    /// Whether it is a fence: `return bitcast<f>(bitcast<u>(x) ^ config.zero)`.
    fn is_fence(&self) -> bool {
        let at = |handle: Handle<Expression>| &self.function.expressions[handle];
        let last = self.function.body.iter().last();
        let Some(Statement::Return { value: Some(value) }) = last else { return false };
        let Expression::As { expr: joined, kind: ScalarKind::Float, convert: None } = *at(*value)
        else {
            return false;
        };
        let Expression::Binary { op: BinaryOperator::ExclusiveOr, left, right } = *at(joined)
        else {
            return false;
        };
        let bits = match *at(left) {
            Expression::As { expr, kind: ScalarKind::Uint, convert: None } => at(expr),
            _ => return false,
        };
        let zero = match *at(right) {
            // As many as there are bits, or from u32 to u32.
            Expression::Splat { value, .. } => value,
            Expression::As { expr, kind: ScalarKind::Uint, .. } => expr,
            _ => right,
        };
        matches!(bits, Expression::FunctionArgument(0)) && self.is_zero_of_config(zero)
    }

    fn is_zero_of_config(&self, handle: Handle<Expression>) -> bool {
        let at = |handle: Handle<Expression>| &self.function.expressions[handle];
        let Expression::Load { pointer } = *at(handle) else { return false };
        let Expression::AccessIndex { base, index } = *at(pointer) else { return false };
        let Expression::GlobalVariable(config) = *at(base) else { return false };
        let global = &self.module.global_variables[config];
        let naga::TypeInner::Struct { ref members, .. } = self.module.types[global.ty].inner else {
            return false;
        };
        let is_uniform = match global.space {
            naga::AddressSpace::Uniform => true,
            naga::AddressSpace::Private => self.is_copy_of_uniform(config),
            _ => false,
        };
        is_uniform && members[index as usize].name.as_deref() == Some("zero")
    }

    /// Whether all that is ever stored to a variable is what a uniform holds.
    fn is_copy_of_uniform(&self, variable: Handle<GlobalVariable>) -> bool {
        let mut stored = Vec::new();
        for (_, function) in self.module.functions.iter() {
            let at = |handle: Handle<Expression>| &function.expressions[handle];
            walk(&function.body, &mut |statement| {
                let Statement::Store { pointer, value } = *statement else { return };
                if matches!(*at(pointer), Expression::GlobalVariable(to) if to == variable) {
                    stored.push(self.is_of_uniform(function, value));
                }
            });
        }
        !stored.is_empty() && stored.into_iter().all(|is_of_uniform| is_of_uniform)
    }

    /// Whether a value is loaded from a uniform, or a part of one.
    fn is_of_uniform(&self, function: &Function, value: Handle<Expression>) -> bool {
        let Expression::Load { mut pointer } = function.expressions[value] else { return false };
        loop {
            pointer = match function.expressions[pointer] {
                Expression::AccessIndex { base, .. } | Expression::Access { base, .. } => base,
                Expression::GlobalVariable(from) => {
                    let space = self.module.global_variables[from].space;
                    return space == naga::AddressSpace::Uniform;
                }
                _ => return false,
            };
        }
    }
}

/// Every statement of a block and of those in it.
fn walk(block: &Block, see: &mut impl FnMut(&Statement)) {
    for statement in block {
        see(statement);
        match statement {
            Statement::Block(block) => walk(block, see),
            Statement::If { accept, reject, .. } => {
                walk(accept, see);
                walk(reject, see);
            }
            Statement::Switch { cases, .. } => {
                cases.iter().for_each(|case| walk(&case.body, see));
            }
            Statement::Loop { body, continuing, .. } => {
                walk(body, see);
                walk(continuing, see);
            }
            _ => {}
        }
    }
}

/// What a module does with floats that it may not.
fn faults(module: &Module, info: &ModuleInfo) -> Vec<String> {
    let mut functions = Vec::new();
    for (handle, function) in module.functions.iter() {
        functions.push(Floats { module, function, info: &info[handle] });
    }
    let main = &module.entry_points[0].function;
    functions.push(Floats { module, function: main, info: info.get_entry_point(0) });
    functions.iter().flat_map(Floats::faults).collect()
}

/// Of the kernels that `are_meant`, has `faults` find none in those with exact arithmetic, and some where one operation is left open, of each
/// kernel another: the second says what the first is worth.
pub fn judge(are_meant: fn(Kernel) -> bool, faults: fn(&Module, &ModuleInfo) -> Vec<String>) {
    let mut left_open = fresh_seed() as usize % OPERATIONS.len();
    let least = left_open + 100;
    for (kernel, tuning) in kernels().into_iter().filter(|&(kernel, _)| are_meant(kernel)) {
        let (module, info) = specialised(kernel, &tuning);
        let found = faults(&module, &info);
        let may = tuning.arithmetic == Arithmetic::Fast && computes(kernel);
        let which = (kernel.stage, kernel.access);
        assert_eq!(!found.is_empty(), may, "{which:?}: {found:?}");
        // What a kernel does not use, is not there to be left open.
        let updates = matches!(kernel.stage, Stage::UpdateSerial | Stage::UpdateParallel);
        let measures = kernel.norm == Some(NormType::Two) && computes(kernel);
        if !(updates || measures) || tuning.arithmetic == Arithmetic::Fast {
            continue;
        }
        let (function, open) = opened(kernel, kernel.wgsl(&tuning), left_open);
        let (module, info) = specialised_from(parsed(&open), kernel, &tuning);
        assert!(!faults(&module, &info).is_empty(), "{which:?} with {function} open");
        left_open += 1;
    }
    assert!(left_open >= least, "{left_open}");
}

#[test]
fn what_is_rounded_is_used_behind_a_fence_alone() {
    judge(|_| true, faults);
}
