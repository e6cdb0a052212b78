//! The dispatches of a step, run by a program of the CPU.

use super::floats::{Floats, Kernels};
use crate::step::layout::Config;
use crate::step::list::{Bind, Dispatch, Second};
use crate::step::record::StepOf;
use crate::step::stages::{FIRST_VALUES, SCALARS};

/// What is bound, each in words. No binding starts within one.
#[derive(Clone, Debug, Default)]
pub struct Buffers(pub Vec<(Bind, Vec<u32>)>);

impl Buffers {
    fn number(&self, bind: Bind) -> u32 {
        let at = self.0.iter().position(|held| held.0 == bind);
        at.unwrap_or_else(|| panic!("nothing is {bind:?}")) as u32
    }

    pub fn of(&self, bind: Bind) -> &[u32] {
        &self.0[self.number(bind) as usize].1
    }

    pub fn set(&mut self, bind: Bind, words: Vec<u32>) {
        let at = self.number(bind) as usize;
        self.0[at].1 = words;
    }

    /// Runs dispatches on them. `step_of` tells what is done to a table.
    pub fn run(
        &mut self,
        (kernels, floats): (&Kernels, Floats),
        list: &[Dispatch],
        step_of: impl Fn(u32) -> StepOf,
    ) {
        let mut uniforms = Vec::new();
        let mut dispatches = vec![list.len() as u32];
        for dispatch in list {
            let number = kernels.number(dispatch.kernel, floats);
            let grid = dispatch.launch.grid;
            dispatches.extend([number, grid.x, grid.y]);
            let bound = self.bound(dispatch, self.0.len() + uniforms.len());
            uniforms.push(words_of(&dispatch.config));
            uniforms.extend(dispatch.second.map(|second| second_words(second, &step_of)));
            dispatches.push(bound.len() as u32);
            dispatches.extend(bound.into_iter().flatten());
        }
        let input = input(self.0.iter().map(|held| &held.1).chain(&uniforms), &dispatches);
        let mut output = kernels.program.answer(&input).into_iter();
        for (_, words) in &mut self.0 {
            words.iter_mut().for_each(|word| *word = output.next().unwrap());
        }
    }

    /// Each binding's number, and its buffer's; uniforms are numbered from `uniform` on.
    fn bound(&self, dispatch: &Dispatch, uniform: usize) -> Vec<[u32; 2]> {
        let uniforms = 1 + u32::from(dispatch.second.is_some());
        let fixed = dispatch.kernel.stage.spec().bound.len() as u32;
        let values = FIRST_VALUES..FIRST_VALUES + dispatch.kernel.value_bindings() as u32;
        let bindings = (uniforms..fixed).chain(values).chain([SCALARS]);
        let storage = dispatch.bound.iter().flatten().map(|&bind| self.number(bind));
        let first = (0..uniforms).map(|number| [number, uniform as u32 + number]);
        first.chain(bindings.zip(storage).map(<[u32; 2]>::from)).collect()
    }
}

/// What the program reads: buffers, and dispatches with how many there are.
pub fn input<'a>(
    buffers: impl Iterator<Item = &'a Vec<u32>> + Clone,
    dispatches: &[u32],
) -> Vec<u32> {
    let mut input = vec![buffers.clone().count() as u32];
    for words in buffers {
        input.push(words.len() as u32);
        input.extend(words);
    }
    input.extend(dispatches);
    input
}

fn words_of(config: &Config) -> Vec<u32> {
    let bytes = match config {
        Config::Entries(config) => bytemuck::bytes_of(config),
        Config::Inspect(config) => bytemuck::bytes_of(config),
        Config::Sort(config) => bytemuck::bytes_of(config),
        Config::Heads(config) => bytemuck::bytes_of(config),
        Config::Keys(config) => bytemuck::bytes_of(config),
        Config::Partial(config) => bytemuck::bytes_of(config),
        Config::Update(config) => bytemuck::bytes_of(config),
        Config::Rows(config) => bytemuck::bytes_of(config),
        Config::Flush(config) => bytemuck::bytes_of(config),
        Config::Squares(config) => bytemuck::bytes_of(config),
        Config::NormSum(config) => bytemuck::bytes_of(config),
        Config::NormFactor(config) => bytemuck::bytes_of(config),
        Config::Tally(config) => bytemuck::bytes_of(config),
        Config::Remap(config) => bytemuck::bytes_of(config),
        Config::Check(config) => bytemuck::bytes_of(config),
        Config::Reset(config) => bytemuck::bytes_of(config),
    };
    bytemuck::pod_collect_to_vec(bytes)
}

fn second_words(second: Second, step_of: impl Fn(u32) -> StepOf) -> Vec<u32> {
    match second {
        Second::Entries(entries) => vec![entries, 0, 0, 0],
        Second::Count { .. } => panic!("no test counts entries on the device"),
        Second::Rule { table } => step_of(table).words().to_vec(),
        Second::Drawn { table } => {
            let step = step_of(table);
            bytemuck::cast_slice(&[step.drawn(step.words())]).to_vec()
        }
        Second::RowRule { table } => step_of(table).row_words().to_vec(),
    }
}
