//! What an optimizer's host state should be, and which calls it should refuse.
//!
//! A verdict is `Some(whether the call is good)`, or None where that depends on the device's limits
//! in ways that the model does not know.

use super::draw::{DrawnGrad, DrawnParam, Pools, Spot, Values};
use sparse_adam::{AdamOptions, Duplicates, IndexDtype, StateDict};
use wgpu::BufferUsages;

pub const MOST_STEPS: u64 = 1 << 53;

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub groups: Vec<AdamOptions>,
    pub default_group: Option<usize>,
    pub params: Vec<ParamModel>,
}

#[derive(Clone, Debug)]
pub struct ParamModel {
    pub name: String,
    pub shape: Vec<u32>,
    pub rows: u32,
    pub dim: u32,
    pub sparse_dim: u32,
    pub places: Vec<Spot>,
    pub group: usize,
    pub has_grad: bool,
    pub grads: Vec<DrawnGrad>,
    /// Steps counted, where there is state.
    pub state: Option<u64>,
}

/// Whether all conditions hold; None where those that are known do but not all are known.
fn verdict(known: &[bool], certain: bool) -> Option<bool> {
    match known.iter().all(|&held| held) {
        false => Some(false),
        true => certain.then_some(true),
    }
}

pub fn are_valid(options: &AdamOptions) -> bool {
    let AdamOptions { lr, betas, eps, .. } = *options;
    let decays = [betas.0, betas.1].iter().all(|beta| (0.0..1.0).contains(beta));
    let finite = (lr as f32).is_finite() && (eps as f32).is_finite();
    finite && decays && lr >= -1e-12 && eps as f32 >= f32::MIN_POSITIVE
}

fn product(axes: &[u32]) -> Option<u32> {
    axes.iter().try_fold(1u32, |product, &axis| product.checked_mul(axis))
}

/// Whether storage of `bytes` can lie there.
fn holds(pools: &Pools, spot: Spot, bytes: u64) -> bool {
    spot.size >= bytes
        && spot.offset.is_multiple_of(pools.alignment)
        && pools.has(spot, BufferUsages::STORAGE)
}

fn are_apart(spots: &[Spot]) -> bool {
    let pairs =
        spots.iter().enumerate().flat_map(|(i, a)| spots[i + 1..].iter().map(move |b| (a, b)));
    pairs.into_iter().all(|(a, b)| !a.overlaps(*b))
}

impl DrawnGrad {
    fn index_bytes(&self, sparse_dim: u32) -> u64 {
        let width = if self.format == IndexDtype::I64 { 8 } else { 4 };
        u64::from(self.nnz) * width * u64::from(sparse_dim)
    }

    fn value_rows(&self, param: &ParamModel) -> u32 {
        match self.source {
            Values::Entry => self.nnz,
            Values::Map(_, rows) => rows,
            Values::Row => param.rows,
        }
    }

    fn value_bytes(&self, param: &ParamModel) -> u64 {
        u64::from(self.value_rows(param)) * 4 * u64::from(param.dim)
    }

    /// What the GPU reads of it, and how many bytes.
    fn reads(&self, param: &ParamModel) -> Vec<(Spot, u64)> {
        let a_word = 4 * u64::from(self.nnz);
        let mut reads = vec![
            (self.indices, self.index_bytes(param.sparse_dim)),
            (self.values, self.value_bytes(param)),
        ];
        if let Values::Map(map, _) = self.source {
            reads.push((map, a_word));
        }
        reads.extend(self.weights.map(|weights| (weights, a_word)));
        reads
    }

    fn used(&self, param: &ParamModel) -> Vec<Spot> {
        self.reads(param).into_iter().map(|(spot, bytes)| spot.used(bytes)).collect()
    }

    fn stands_alone(&self) -> bool {
        matches!(self.source, Values::Row) || self.duplicates != Duplicates::Summed
    }
}

impl Model {
    /// Whether parameters other than `own`, or any gradient, have bytes of `spots`.
    fn is_taken(&self, spots: &[Spot], own: Option<usize>) -> bool {
        self.params.iter().enumerate().any(|(index, param)| {
            let places = param.places.iter().copied().filter(|_| Some(index) != own);
            let read = param.grads.iter().flat_map(|grad| grad.used(param));
            places.chain(read).any(|taken| spots.iter().any(|spot| spot.overlaps(taken)))
        })
    }

    /// A drawn parameter as it would be held; None where its shape is not one.
    pub fn described(&self, drawn: &DrawnParam, group: usize) -> Option<ParamModel> {
        let DrawnParam { shape, sparse_dim, .. } = drawn;
        if !(1..=3).contains(sparse_dim) || *sparse_dim > shape.len() || shape.contains(&0) {
            return None;
        }
        let (sparse, dense) = shape.split_at(*sparse_dim);
        let (rows, dim) = (product(sparse)?, product(dense)?);
        let place = |&(spot, own): &(Spot, Option<u32>)| {
            spot.used(u64::from(own.unwrap_or(rows)) * 4 * u64::from(dim))
        };
        Some(ParamModel {
            name: drawn.name.clone(),
            shape: shape.clone(),
            rows,
            dim,
            sparse_dim: *sparse_dim as u32,
            places: drawn.parts.iter().map(place).collect(),
            group,
            has_grad: false,
            grads: Vec::new(),
            state: None,
        })
    }

    pub fn judge_param(&self, pools: &Pools, drawn: &DrawnParam) -> Option<bool> {
        let Some(param) = self.described(drawn, 0) else {
            return Some(false);
        };
        let rows: Vec<_> = drawn.parts.iter().map(|part| part.1.unwrap_or(param.rows)).collect();
        let sum: u64 = rows.iter().map(|&rows| u64::from(rows)).sum();
        let spots = drawn.parts.iter().zip(&param.places);
        let known = [
            param.rows < u32::MAX && sum == u64::from(param.rows) && !rows.contains(&0),
            spots.into_iter().all(|(part, place)| holds(pools, part.0, place.size)),
            self.params.iter().all(|other| other.name != param.name),
            are_apart(&param.places) && !self.is_taken(&param.places, None),
        ];
        // Rows may be too wide, or too large for a binding.
        verdict(&known, param.dim <= 4096 && 8 * sum * u64::from(param.dim) <= pools.max_binding)
    }

    pub fn judge_move(&self, pools: &Pools, index: usize, spot: Spot) -> Option<bool> {
        let param = &self.params[index];
        let [place] = param.places[..] else {
            return Some(false);
        };
        let new = spot.used(place.size);
        let known =
            [holds(pools, spot, place.size), new == place || !self.is_taken(&[new], Some(index))];
        verdict(&known, true)
    }

    pub fn judge_grad(
        &self,
        pools: &Pools,
        index: usize,
        grad: &DrawnGrad,
        added: bool,
    ) -> Option<bool> {
        let param = &self.params[index];
        if grad.nnz == 0 {
            return Some(true);
        }
        let reads = grad.reads(param);
        let (used, indices) = (grad.used(param), grad.index_bytes(param.sparse_dim));
        let fits = |&(spot, bytes): &(Spot, u64)| bytes > 0 && holds(pools, spot, bytes);
        let may_read = |spot: Spot| {
            let aligned = spot.size >= 4 && spot.offset.is_multiple_of(4);
            aligned && pools.has(spot, BufferUsages::COPY_SRC)
        };
        let places: Vec<_> = self.params.iter().flat_map(|param| &param.places).collect();
        let set: Vec<_> = param.grads.iter().filter(|_| added).collect();
        let together = set.iter().copied().chain([grad]);
        let copied = |grad: &DrawnGrad| pools.has(grad.values, BufferUsages::COPY_SRC);
        let known = [
            reads.iter().all(fits),
            grad.format == IndexDtype::I64 || grad.indices.size != 2 * indices,
            grad.padding.is_none_or(|row| row < param.rows),
            grad.weights.is_none() || !matches!(grad.source, Values::Row),
            grad.count.is_none_or(may_read),
            are_apart(&used),
            used.iter().all(|spot| places.iter().all(|place| !spot.overlaps(**place))),
            set.is_empty() || together.clone().all(|grad| copied(grad) && !grad.stands_alone()),
        ];
        let largest =
            reads.iter().enumerate().filter(|(read, _)| *read != 1).map(|(_, r)| r.1).max();
        let values: u64 = together.map(|grad| grad.value_bytes(param)).sum();
        verdict(&known, values.max(largest.unwrap_or(0)) <= pools.max_binding)
    }

    pub fn set_grad(&mut self, index: usize, grad: DrawnGrad, added: bool) {
        let param = &mut self.params[index];
        param.has_grad = true;
        if !added {
            param.grads.clear();
        }
        param.grads.extend(Some(grad).filter(|grad| grad.nnz > 0));
    }

    pub fn zero_grad(&mut self, set_to_none: bool) {
        for param in &mut self.params {
            param.has_grad &= !set_to_none;
            param.grads.clear();
        }
    }

    pub fn step(&mut self) {
        for param in self.params.iter_mut().filter(|param| param.has_grad) {
            param.state = Some(param.state.unwrap_or(0) + 1);
        }
    }

    pub fn set_step_count(&mut self, index: usize, steps: u64) {
        let state = &mut self.params[index].state;
        *state = state.map(|_| steps).or(Some(steps).filter(|&steps| steps > 0));
    }

    /// Parameters in torch's order: through the groups.
    fn numbering(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.params.len()).collect();
        order.sort_by_key(|&index| self.params[index].group);
        order
    }

    /// Takes over a dict that was loaded.
    pub fn load(&mut self, dict: &StateDict) {
        let numbers = dict.param_groups.iter().flat_map(|group| &group.params);
        for (index, number) in self.numbering().into_iter().zip(numbers) {
            self.params[index].state = dict.state.get(number).map(|state| state.step);
        }
        for (held, group) in self.groups.iter_mut().zip(&dict.param_groups) {
            *held = group.options;
        }
    }

    /// Whether a dict that was saved is what the model has.
    pub fn is_saved_as(&self, dict: &StateDict) -> bool {
        let order = self.numbering();
        let steps = |number: &usize| dict.state.get(number).map(|state| state.step);
        let states = (0..order.len()).zip(&order).all(|(number, &index)| {
            let param = &self.params[index];
            let values = param.rows as usize * param.dim as usize;
            let whole = dict
                .state
                .get(&number)
                .is_none_or(|state| state.shape == param.shape && state.exp_avg.len() == values);
            steps(&number) == param.state && whole
        });
        let options: Vec<_> = dict.param_groups.iter().map(|group| group.options).collect();
        states && options == self.groups
    }
}
