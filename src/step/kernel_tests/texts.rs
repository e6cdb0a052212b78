//! As the test of naga's modules, of the Metal and the HLSL that come of them, as far as text tells.

use super::fences::judge;
use super::written::{write_hlsl, write_metal};
use crate::step::kernel::Kernel;
use std::collections::HashSet;

/// Types of floats, before a text gives them names, and what makes floats of bits.
const FLOATS: [&str; 6] = ["float", "float2", "float3", "float4", "float2x4", "asfloat"];
/// Where a quotient or a root goes.
const TAKERS: [&str; 3] = ["as_type", "asuint", "floor"];
/// Reads ahead; what it computes is never stored.
const READS_AHEAD: &str = "touch";

/// Words, with the members that they name, and signs.
fn tokens(text: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (token, behind) = rest.split_at(if word == 0 { first.len_utf8() } else { word });
        found.push(token);
        rest = behind.trim_start();
    }
    found
}

/// The words behind a word of `types`: names that are declared, or functions with such results.
fn declared<'a>(tokens: &[&'a str], types: &HashSet<&'a str>) -> Vec<&'a str> {
    let qualifiers = |token: &&&str| !matches!(**token, "const" | "&");
    let words = tokens.iter().filter(qualifiers).collect::<Vec<_>>();
    words.windows(2).filter(|pair| types.contains(*pair[0])).map(|pair| *pair[1]).collect()
}

/// A function: its tokens, with its names of floats.
struct Function<'a> {
    tokens: &'a [&'a str],
    floats: HashSet<&'a str>,
}

impl Function<'_> {
    fn name(&self) -> &str {
        self.tokens[1]
    }

    fn is_float(&self, word: &str) -> bool {
        // Of a member, either its own name or that of a vector tells.
        let of_vector = word.split('.').next().is_some_and(|part| self.floats.contains(part));
        let member = word.split('.').next_back().filter(|part| part.len() > 1);
        of_vector || member.is_some_and(|part| self.floats.contains(part))
    }

    /// Whether what starts at a token is a float.
    fn starts_float(&self, at: usize) -> bool {
        match self.tokens[at] {
            "(" => self.starts_float(at + 1),
            "as_type" | "static_cast" => self.is_float(self.tokens[at + 2]),
            word => self.is_float(word),
        }
    }

    /// Whether what ends at a token is a float.
    fn ends_float(&self, at: usize) -> bool {
        match self.tokens[at] {
            "]" => self.ends_float(self.opening(at, "[", "]") - 1),
            ")" => match self.opening(at, "(", ")") {
                open if self.tokens[open - 1] == ">" => self.is_float(self.tokens[open - 2]),
                open if is_word(self.tokens[open - 1]) => self.is_float(self.tokens[open - 1]),
                open => self.starts_float(open + 1),
            },
            word => is_word(word) && self.is_float(word),
        }
    }

    /// Where the bracket opens that closes at a token, or that the token is in.
    fn opening(&self, at: usize, open: &str, close: &str) -> usize {
        let mut depth = 0;
        for (before, &token) in self.tokens[..at].iter().enumerate().rev() {
            match token {
                token if token == open && depth == 0 => return before,
                token if token == open => depth -= 1,
                token if token == close => depth += 1,
                _ => {}
            }
        }
        0
    }

    /// The function that a token is the argument of.
    fn taker(&self, at: usize) -> &str {
        let open = self.opening(at, "(", ")");
        match self.tokens[open.saturating_sub(1)] {
            "(" => self.taker(open),
            ">" => self.tokens[open - 4],
            word => word,
        }
    }

    /// Whether what a sign or a function at a token does is no matter of floats, or fenced.
    fn is_allowed(&self, at: usize) -> bool {
        let joins = |at: usize| self.ends_float(at - 1) || self.starts_float(at + 1);
        match self.tokens[at] {
            "+" | "-" | "*" if joins(at) => self.taker(at) == "settled",
            "/" if joins(at) => TAKERS.contains(&self.taker(at)),
            "sqrt" => TAKERS.contains(&self.taker(at)),
            word => !["fma", "mad", "rsqrt", "dot", "mul", "pow", "exp2", "log2"].contains(&word),
        }
    }

    /// Whether it returns the bits of its argument, joined with others.
    fn is_fence(&self) -> bool {
        // Behind type, name, bracket and type.
        let (text, x) = (self.tokens.concat(), self.tokens[4]);
        let bits = ["as_type<uint>", "as_type<uint2>", "as_type<uint4>", "asuint"]
            .map(|of| format!("{of}({x})^"));
        bits.iter().any(|bits| text.contains(bits)) && text.contains("=config.zero;")
    }
}

fn is_word(token: &str) -> bool {
    token != "return" && token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The functions of a text, each from its type on, and its structs.
fn parts(text: &str) -> (Vec<Vec<&str>>, Vec<Vec<&str>>) {
    let (structs, functions): (Vec<_>, _) = text
        .split("\n}")
        .map(|part| tokens(own(part)))
        .partition(|part| part.first() == Some(&"struct"));
    (functions.into_iter().filter(|part| part.get(2) == Some(&"(")).collect(), structs)
}

/// Without what stands before it: an empty line, and then one that is not indented, part them.
fn own(part: &str) -> &str {
    let mut ends = part.rmatch_indices("\n\n").map(|(at, _)| &part[at + 2..]);
    let mut own = ends.find(|end| !end.starts_with(char::is_whitespace)).unwrap_or(part);
    // HLSL names the type of an array that is returned, and the size of a workgroup.
    while let Some((first, rest)) = own.split_once('\n')
        && (first.starts_with("typedef") || first.starts_with('['))
    {
        own = rest;
    }
    own
}

/// What a text does with floats that it may not.
fn faults(text: &str) -> Vec<String> {
    let text = text.replace("metal::", "");
    let mut types: HashSet<&str> = FLOATS.into();
    for line in text.lines().filter(|line| line.starts_with("typedef")) {
        types.extend(declared(&tokens(line), &types));
    }
    let (functions, structs) = parts(&text);
    let mut known = types.clone();
    known.extend(structs.iter().flat_map(|part| declared(part, &types)));
    known.extend(functions.iter().filter(|part| types.contains(part[0])).map(|part| part[1]));
    let mut found = Vec::new();
    for tokens in &functions {
        let floats = known.iter().copied().chain(declared(tokens, &types)).collect();
        let function = Function { tokens, floats };
        if function.name() == "settled" && !function.is_fence() {
            found.push("settled is no fence".into());
        }
        if function.name() != READS_AHEAD {
            let faulty = (3..tokens.len() - 1).filter(|&at| !function.is_allowed(at));
            let near = |at: usize| tokens[at - 3..tokens.len().min(at + 4)].join(" ");
            found.extend(faulty.map(|at| format!("{}: {}", function.name(), near(at))));
        }
    }
    found
}

/// Binding arrays are for Vulkan only.
fn is_written(kernel: Kernel) -> bool {
    !kernel.in_arrays
}

#[test]
fn metal_has_the_fences() {
    judge(is_written, |module, info| faults(&write_metal(module, info)));
}

#[test]
fn hlsl_has_the_fences() {
    judge(is_written, |module, info| faults(&write_hlsl(module, info)));
}
