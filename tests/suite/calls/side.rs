//! One optimizer beside its model: each call is made on both.

use super::Scene;
use super::draw::{self, DrawnGrad, DrawnParam, PARAMS, one_in, pick};
use super::hooked::{Book, HookModel};
use super::model::{Model, are_valid};
use sparse_adam::{AdamOptions, GroupId, ParamId, SparseAdam, StateDict};

pub struct Side {
    pub optimizer: SparseAdam,
    defaults: AdamOptions,
    pub model: Model,
    pub hooks: HookModel,
    pub book: Book,
    pub ids: Vec<ParamId>,
    pub saved: Option<StateDict>,
}

impl Side {
    pub fn new(optimizer: SparseAdam, defaults: AdamOptions) -> Self {
        Self {
            optimizer,
            defaults,
            model: Model::default(),
            hooks: HookModel::default(),
            book: Book::default(),
            ids: Vec::new(),
            saved: None,
        }
    }

    /// The optimizer is what the model says, as far as it can be seen.
    pub fn assert_agrees(&self) {
        let (optimizer, model) = (&self.optimizer, &self.model);
        let groups: Vec<_> = optimizer.groups().collect();
        assert_eq!(groups.len(), model.groups.len());
        for (number, (&group, options)) in groups.iter().zip(&model.groups).enumerate() {
            assert_eq!(optimizer.options(group), Ok(*options));
            let members = model.params.iter().zip(&self.ids);
            let members = members.filter(|(param, _)| param.group == number);
            let members: Vec<_> = members.map(|(_, id)| *id).collect();
            assert_eq!(optimizer.group_params(group), Ok(members));
        }
        assert_eq!(self.ids.len(), model.params.len());
        for (param, &id) in model.params.iter().zip(&self.ids) {
            assert_eq!(optimizer.param(&param.name), Some(id));
            assert_eq!(optimizer.step_count(id), Ok(param.state.unwrap_or(0)));
            assert_eq!(optimizer.group_of(id), Ok(groups[param.group]));
        }
        let moments = model.params.iter().filter(|param| param.state.is_some());
        let values = moments.map(|param| u64::from(param.rows) * u64::from(param.dim));
        // States that share a buffer begin at multiples, and one that is gone leaves its part until the others are.
        let (held, least) = (optimizer.resources().state_bytes, 8 * values.sum::<u64>());
        assert!(held >= least && (held == 0) == (least == 0), "{held} bytes for {least}");
        assert!(self.book.take_calls().is_empty(), "hooks were called out of a step");
    }

    /// One of its parameters and its index, or one of the other optimizer's; none where none is.
    pub fn param(&self, scene: &mut Scene<'_>) -> Option<(ParamId, Option<usize>)> {
        if one_in(scene.rng, 20) && !scene.other.ids.is_empty() {
            return Some((pick(scene.rng, &scene.other.ids), None));
        }
        let index = (!self.ids.is_empty()).then(|| scene.rng.below(self.ids.len()))?;
        Some((self.ids[index], Some(index)))
    }

    /// As [`Side::param`], for groups.
    pub fn group(&self, scene: &mut Scene<'_>) -> Option<(GroupId, Option<usize>)> {
        let foreign = one_in(scene.rng, 20);
        let side = if foreign { scene.other } else { self };
        let groups: Vec<_> = side.optimizer.groups().collect();
        let index = (!groups.is_empty()).then(|| scene.rng.below(groups.len()))?;
        Some((groups[index], Some(index).filter(|_| !foreign)))
    }

    pub fn add_param(&mut self, scene: &mut Scene<'_>) {
        let drawn = DrawnParam::new(scene.rng, scene.pools);
        scene.doing(format!("add_param {drawn:?}"));
        let verdict = self.model.judge_param(scene.pools, &drawn);
        let added = self.optimizer.add_param(drawn.build(scene.pools));
        scene.count("add_param", verdict, &added.clone().map(drop));
        let Ok(id) = added else { return };
        let group = self.model.default_group.unwrap_or(self.model.groups.len());
        if self.model.default_group.is_none() {
            self.model.default_group = Some(group);
            self.model.groups.push(self.defaults);
        }
        self.ids.push(id);
        self.model.params.extend(self.model.described(&drawn, group));
    }

    pub fn add_group(&mut self, scene: &mut Scene<'_>) {
        let count = scene.rng.below(4);
        let drawn: Vec<_> = (0..count).map(|_| DrawnParam::new(scene.rng, scene.pools)).collect();
        let options = draw::options(scene.rng);
        scene.doing(format!("add_param_group {options:?} {drawn:?}"));
        // Each in its turn, as if those before it were there.
        let mut grown = self.model.clone();
        let mut verdict = Some(are_valid(&options) && !drawn.is_empty());
        for param in &drawn {
            verdict = match (verdict, grown.judge_param(scene.pools, param)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (good, own) => good.and(own),
            };
            grown.params.extend(grown.described(param, self.model.groups.len()));
        }
        let params = drawn.iter().map(|param| param.build(scene.pools)).collect();
        let added = self.optimizer.add_param_group(draw::group(params, options));
        scene.count("add_param_group", verdict, &added.clone().map(drop));
        if let Ok(group) = added {
            grown.groups.push(options);
            self.model = grown;
            self.ids.extend(self.optimizer.group_params(group).unwrap());
        }
    }

    pub fn replace_param(&mut self, scene: &mut Scene<'_>) {
        let Some((id, index)) = self.param(scene) else { return };
        let places = index.map_or(&[][..], |index| &self.model.params[index].places);
        let bytes = places.first().map_or(64, |place| place.size);
        let spot = match (places, one_in(scene.rng, 5)) {
            ([place], true) => *place,
            _ => scene.pools.spot(scene.rng, &PARAMS, bytes),
        };
        scene.doing(format!("replace_param {index:?} {spot:?}"));
        let judge = |index| self.model.judge_move(scene.pools, index, spot);
        let verdict = index.map_or(Some(false), judge);
        let moved = self.optimizer.replace_param(id, scene.pools.region(spot));
        scene.count("replace_param", verdict, &moved);
        if let (Ok(()), Some(index)) = (moved, index) {
            self.model.params[index].places = vec![spot.used(bytes)];
        }
    }

    pub fn set_grad(&mut self, scene: &mut Scene<'_>) {
        let Some((id, index)) = self.param(scene) else { return };
        let param = index.map(|index| &self.model.params[index]);
        let shape = param.map_or([10, 4, 1], |param| [param.rows, param.dim, param.sparse_dim]);
        let mut grad = DrawnGrad::new(scene.rng, scene.pools, shape);
        if one_in(scene.rng, 40) && !self.model.params.is_empty() {
            // Within a parameter.
            let owner = scene.rng.below(self.model.params.len());
            grad.values = self.model.params[owner].places[0];
        }
        let added = one_in(scene.rng, 3);
        scene.doing(format!("set_grad {index:?} {shape:?}, added: {added}, {grad:?}"));
        let judge = |index| self.model.judge_grad(scene.pools, index, &grad, added);
        let verdict = index.map_or(Some(false), judge);
        let built = grad.build(scene.pools);
        let set = match added {
            false => self.optimizer.set_grad(id, built),
            true => self.optimizer.accumulate_grad(id, built),
        };
        scene.count(if added { "accumulate_grad" } else { "set_grad" }, verdict, &set);
        if let (Ok(()), Some(index)) = (set, index) {
            self.model.set_grad(index, grad, added);
        }
    }

    pub fn zero_grad(&mut self, scene: &mut Scene<'_>) {
        let set_to_none = one_in(scene.rng, 2);
        scene.doing(format!("zero_grad {set_to_none}"));
        self.optimizer.zero_grad(set_to_none);
        self.model.zero_grad(set_to_none);
        scene.count("zero_grad", Some(true), &Ok(()));
    }
}
