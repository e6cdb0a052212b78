//! What kernels compute with.

use super::program::Program;
use crate::step::kernel::Kernel;
use crate::step::kernel::tests::modules::{computes, left_open, parsed, specialised_from};
use crate::{Arithmetic, Tuning};
use naga::Module;
use naga::valid::ModuleInfo;
use std::path::Path;

/// What a kernel computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floats {
    Of(Arithmetic),
    /// Exactly, but for one function, which is left to the compiler.
    But(&'static str),
}

impl Floats {
    /// Such that kernels without floats are compiled once.
    fn of(self, kernel: Kernel) -> Self {
        if computes(kernel) { self } else { Self::Of(Arithmetic::Exact) }
    }

    fn module(self, kernel: Kernel, tuning: &Tuning) -> (Module, ModuleInfo) {
        let (arithmetic, open) = match self {
            Self::Of(arithmetic) => (arithmetic, None),
            Self::But(function) => (Arithmetic::Exact, Some(function)),
        };
        let tuning = Tuning { arithmetic, ..*tuning };
        let mut source = kernel.wgsl(&tuning);
        if let Some(function) = open {
            source = left_open(source, function);
        }
        specialised_from(parsed(&source), kernel, &tuning)
    }
}

/// Compiled kernels.
#[derive(Debug)]
pub struct Kernels {
    pub program: Program,
    numbered: Vec<(Kernel, Floats)>,
}

impl Kernels {
    pub fn compile(
        compiler: &str,
        folder: &Path,
        tuning: &Tuning,
        needed: impl Iterator<Item = (Kernel, Floats)>,
    ) -> Self {
        let mut numbered = Vec::new();
        for (kernel, floats) in needed {
            let needed = (kernel, floats.of(kernel));
            if !numbered.contains(&needed) {
                numbered.push(needed);
            }
        }
        let modules = numbered.iter().map(|(kernel, floats)| floats.module(*kernel, tuning));
        let program = Program::compile(compiler, folder, &modules.collect::<Vec<_>>());
        Self { program, numbered }
    }

    /// The number of a kernel.
    pub fn number(&self, kernel: Kernel, floats: Floats) -> u32 {
        let needed = (kernel, floats.of(kernel));
        let at = self.numbered.iter().position(|&held| held == needed);
        at.unwrap_or_else(|| panic!("{kernel:?} with {floats:?} was not compiled")) as u32
    }
}
