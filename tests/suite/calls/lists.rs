//! Calls that give several parameters one index list.

use super::Scene;
use super::draw::{DrawnGrad, one_in, pick};
use super::side::Side;
use sparse_adam::{GradValues, ParamId};

impl Side {
    pub fn set_grads(&mut self, scene: &mut Scene<'_>) {
        let Some((id, index)) = self.param(scene) else { return };
        let mut taking: Vec<(ParamId, Option<usize>)> = vec![(id, index)];
        for _ in 0..scene.rng.below(4) {
            // Mostly one whose rows are named alike, and not yet by this call.
            let like = |&other: &usize| {
                let is_new = taking.iter().all(|&(_, index)| index != Some(other));
                is_new && index.is_some_and(|first| self.has_axes_of(first, other))
            };
            let others: Vec<_> = (0..self.ids.len()).filter(like).collect();
            if others.is_empty() || one_in(scene.rng, 12) {
                taking.extend(self.param(scene));
            } else {
                let other = pick(scene.rng, &others);
                taking.push((self.ids[other], Some(other)));
            }
        }
        let shape = |index: Option<usize>| {
            let param = index.map(|index| &self.model.params[index]);
            param.map_or([10, 4, 1], |param| [param.rows, param.dim, param.sparse_dim])
        };
        let list = DrawnGrad::new(scene.rng, scene.pools, shape(index));
        let grads: Vec<_> = taking
            .iter()
            .map(|&(_, index)| list.with_values(scene.rng, scene.pools, shape(index)))
            .collect();
        scene.doing(format!("set_grads {taking:?} {grads:?}"));
        let verdict = self.judge_grads(scene, &taking, &grads);
        let values = taking.iter().zip(&grads);
        let values =
            values.map(|(&(id, _), grad)| (id, GradValues::new(scene.pools.region(grad.values))));
        let set = self.optimizer.set_grads(list.build_list(scene.pools), values);
        scene.count("set_grads", verdict, &set);
        if set.is_ok() {
            for ((_, index), grad) in taking.into_iter().zip(grads) {
                index.into_iter().for_each(|index| self.model.set_grad(index, grad.clone(), false));
            }
        }
    }

    fn has_axes_of(&self, first: usize, other: usize) -> bool {
        let axes = |index: usize| {
            let param = &self.model.params[index];
            &param.shape[..param.sparse_dim as usize]
        };
        axes(first) == axes(other)
    }

    /// Good where each is, they are of one optimizer, named once, and their rows are named alike.
    fn judge_grads(
        &self,
        scene: &Scene<'_>,
        taking: &[(ParamId, Option<usize>)],
        grads: &[DrawnGrad],
    ) -> Option<bool> {
        let known: Option<Vec<usize>> = taking.iter().map(|&(_, index)| index).collect();
        let Some(known) = known else { return Some(false) };
        let is_named_once = (1..known.len()).all(|at| !known[..at].contains(&known[at]));
        if !is_named_once || !known.iter().all(|&index| self.has_axes_of(known[0], index)) {
            return Some(false);
        }
        let judge = |(&index, grad)| self.model.judge_grad(scene.pools, index, grad, false);
        let verdicts: Vec<_> = known.iter().zip(grads).map(judge).collect();
        match verdicts.contains(&Some(false)) {
            true => Some(false),
            false => (!verdicts.contains(&None)).then_some(true),
        }
    }
}
