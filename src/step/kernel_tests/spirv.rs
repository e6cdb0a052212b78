//! As the test of naga's modules, of the SPIR-V that comes of them: no rounded result reaches another
//! operation but through the fence.

use super::fences::judge;
use super::written::write_spirv;
use naga::Module;
use naga::valid::ModuleInfo;
use std::collections::{HashMap, HashSet};

/// Numbers of the SPIR-V specification, as far as they are needed here.
mod op {
    pub const NAME: u16 = 5;
    pub const EXT_INST: u16 = 12;
    pub const TYPE_FLOAT: u16 = 22;
    pub const TYPE_VECTOR: u16 = 23;
    pub const TYPE_MATRIX: u16 = 24;
    pub const FUNCTION: u16 = 54;
    pub const PARAMETER: u16 = 55;
    pub const FUNCTION_END: u16 = 56;
    pub const CALL: u16 = 57;
    pub const CONVERT_F_TO_S: u16 = 110;
    pub const BITCAST: u16 = 124;
    pub const NEGATE: u16 = 127;
    pub const ADD: u16 = 129;
    pub const SUBTRACT: u16 = 131;
    pub const MULTIPLY: u16 = 133;
    pub const DIVIDE: u16 = 136;
    pub const REMAINDER: u16 = 140;
    pub const MODULO: u16 = 141;
    pub const SCALE: u16 = 142;
    /// From this one on, products of matrices, and of vectors.
    pub const SCALE_MATRIX: u16 = 143;
    pub const DOT: u16 = 148;
    pub const XOR: u16 = 198;
    pub const RETURN_VALUE: u16 = 254;
}

/// Numbers of the instructions of GLSL.std.450.
const FLOOR: u32 = 8;
const SQRT: u32 = 31;
const CLAMP: u32 = 43;

/// An instruction: its number and the words behind.
#[derive(Clone, Copy)]
struct Instruction<'a>(u16, &'a [u32]);

impl Instruction<'_> {
    /// Of one with a result, what it works on.
    fn operands(&self) -> &[u32] {
        match self.0 {
            op::RETURN_VALUE => self.1,
            op::EXT_INST => self.1.get(4..).unwrap_or(&[]),
            _ => self.1.get(2..).unwrap_or(&[]),
        }
    }

    /// Its number, and GLSL's if it is one of those.
    fn which(&self) -> (u16, u32) {
        (self.0, if self.0 == op::EXT_INST { self.1[3] } else { 0 })
    }
}

fn instructions(mut words: &[u32]) -> Vec<Instruction<'_>> {
    let mut found = Vec::new();
    words = &words[5..];
    while let Some(&first) = words.first() {
        let (instruction, rest) = words.split_at((first >> 16) as usize);
        found.push(Instruction(first as u16, &instruction[1..]));
        words = rest;
    }
    found
}

fn name_of(words: &[u32]) -> String {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    bytes.take_while(|&byte| byte != 0).map(char::from).collect()
}

/// What a module is known by.
struct Known {
    names: HashMap<u32, String>,
    floats: HashSet<u32>,
}

impl Known {
    fn of(all: &[Instruction<'_>]) -> Self {
        let mut known = Self { names: HashMap::new(), floats: HashSet::new() };
        for &Instruction(number, words) in all {
            let of_floats = words.get(1).is_some_and(|inner| known.floats.contains(inner));
            match number {
                op::NAME => drop(known.names.insert(words[0], name_of(&words[1..]))),
                op::TYPE_FLOAT => drop(known.floats.insert(words[0])),
                op::TYPE_VECTOR | op::TYPE_MATRIX if of_floats => {
                    known.floats.insert(words[0]);
                }
                _ => {}
            }
        }
        known
    }

    fn is(&self, id: u32, name: &str) -> bool {
        self.names.get(&id).is_some_and(|held| held == name)
    }

    /// Whether all uses of an instruction's result are such as it may have.
    fn is_allowed(&self, instruction: Instruction<'_>, body: &[Instruction<'_>]) -> bool {
        let all_uses = |allowed: &dyn Fn(Instruction<'_>) -> bool| {
            let result = instruction.1[1];
            let mut uses = body.iter().filter(|used| used.operands().contains(&result));
            uses.all(|&used| allowed(used))
        };
        match instruction.which() {
            (op::ADD | op::SUBTRACT | op::MULTIPLY | op::SCALE, _) => {
                all_uses(&|used| used.0 == op::CALL && self.is(used.1[2], "settled"))
            }
            (op::DIVIDE, _) => {
                all_uses(&|used| matches!(used.which(), (op::BITCAST, _) | (op::EXT_INST, FLOOR)))
            }
            (op::EXT_INST, SQRT) => all_uses(&|used| used.0 == op::BITCAST),
            (op::EXT_INST, FLOOR) => all_uses(&|used| used.which() == (op::EXT_INST, CLAMP)),
            (op::EXT_INST, CLAMP) if self.floats.contains(&instruction.1[0]) => {
                all_uses(&|used| used.0 == op::CONVERT_F_TO_S)
            }
            (op::NEGATE | op::REMAINDER | op::MODULO | op::SCALE_MATRIX..=op::DOT, _) => false,
            (op::EXT_INST, _) => !self.floats.contains(&instruction.1[0]),
            _ => true,
        }
    }
}

/// Whether it returns the bits of its first parameter, joined with others.
fn is_fence(body: &[Instruction<'_>]) -> bool {
    let made_by = |id: u32, number| {
        body.iter().find(|held| held.0 == number && held.1[1] == id).map(|held| held.operands())
    };
    let through = |id: Option<&u32>, number| id.and_then(|&id| made_by(id, number));
    let Some(last) = body.iter().find(|held| held.0 == op::RETURN_VALUE) else { return false };
    let joined = through(last.1.first(), op::BITCAST);
    let bits = through(joined.and_then(<[u32]>::first), op::XOR);
    let given = through(bits.and_then(<[u32]>::first), op::BITCAST);
    through(given.and_then(<[u32]>::first), op::PARAMETER).is_some()
}

/// What a module's SPIR-V does with floats that it may not.
fn faults(module: &Module, info: &ModuleInfo) -> Vec<String> {
    let words = write_spirv(module, info);
    let all = instructions(&words);
    let known = Known::of(&all);
    let mut found = Vec::new();
    for body in all.split(|held| held.0 == op::FUNCTION_END) {
        let Some(start) = body.iter().position(|held| held.0 == op::FUNCTION) else { continue };
        let (function, body) = (body[start].1[1], &body[start + 1..]);
        if known.is(function, "settled") && !is_fence(body) {
            found.push("settled is no fence".into());
        }
        if !known.is(function, "touch") {
            let faulty = body.iter().filter(|held| !known.is_allowed(**held, body));
            found.extend(faulty.map(|held| format!("{:?}: {held:?}", known.names.get(&function))));
        }
    }
    found
}

impl std::fmt::Debug for Instruction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.0, self.1)
    }
}

#[test]
fn spirv_has_the_fences() {
    judge(|_| true, faults);
}
