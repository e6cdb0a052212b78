//! Tables that are remapped and removed while a device has not yet said whether it took that.

use super::rig;
use super::tests::{assert_out_of_memory, with_grad, with_state_alone};
use super::world::World;
use crate::{Error, Param, RowList, RowMap};

impl World {
    /// The first parameter becomes one of 70 rows.
    pub fn remap_rows(&mut self) -> Result<(), Error> {
        let map = RowMap::new(self.buffer(280), 70);
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let place = self.buffer(1120);
        self.optimizer.remap_rows(&mut encoder, map, [(self.first, &place)])?;
        self.queue.submit([encoder.finish()]);
        Ok(())
    }

    pub fn reset_rows(&mut self) -> Result<(), Error> {
        let rows = RowList::new(self.buffer(40), 10).count(self.buffer(4));
        let mut encoder = self.device.create_command_encoder(&Default::default());
        self.optimizer.reset_rows(&mut encoder, [self.first], rows)?;
        self.queue.submit([encoder.finish()]);
        Ok(())
    }
}

#[test]
fn what_was_remapped_and_removed_before_a_late_refusal_is_taken_back_or_gone() {
    for taken in [false, true] {
        let mut world = World::new();
        with_state_alone(&mut world);
        let removed = world.optimizer.add_param(world.param("removed")).unwrap();
        let last = world.optimizer.add_param(world.param("last")).unwrap();
        world.optimizer.set_step_count(last, 9).unwrap();
        let old = world.optimizer.regions(world.first).unwrap()[0].region.clone();
        let late = rig::hold_back();
        rig::refuse_after(0);
        world.remap_rows().unwrap();
        assert!(!rig::spare());
        world.optimizer.set_step_count(last, 20).unwrap();
        world.optimizer.remove_param(removed).unwrap();
        if taken {
            // The old place is the caller's again, as far as anybody knows.
            world.optimizer.add_param(Param::new("other", old.clone(), [40, 4])).unwrap();
        }
        let grad = world.grad(3);
        world.optimizer.set_grad(world.first, grad).unwrap();
        late.arrive();
        drop(late);
        let heard = world.optimizer.set_step_count(last, 1);
        assert_out_of_memory(&heard, "the first call");
        let optimizer = &mut world.optimizer;
        assert_eq!(optimizer.step_count(last), Ok(9));
        assert_eq!(optimizer.step_count(removed), Err(Error::RemovedParam { found: 1 }));
        let (rows, steps) = if taken { (70, 0) } else { (40, 1) };
        assert_eq!(optimizer.shape(world.first), Ok(&[rows, 4][..]));
        assert_eq!(optimizer.step_count(world.first), Ok(steps));
        assert_eq!(optimizer.regions(world.first).unwrap()[0].region == old, !taken);
        world.step().unwrap();
        assert_eq!(world.optimizer.step_count(world.first), Ok(steps), "its gradient is gone");
        with_grad(&mut world);
        world.step().unwrap();
        assert_eq!(world.optimizer.step_count(world.first), Ok(steps + 1));
    }
}

#[test]
fn tables_that_changed_places_before_a_late_refusal_change_back() {
    let mut world = World::new();
    with_state_alone(&mut world);
    let place = |world: &World, id| world.optimizer.regions(id).unwrap()[0].region.clone();
    let late = rig::hold_back();
    rig::refuse_after(0);
    world.remap_rows().unwrap();
    assert!(!rig::spare());
    // The second leaves its place, and the third comes there.
    let second = world.optimizer.add_param(world.param("second")).unwrap();
    let third = world.optimizer.add_param(world.param("third")).unwrap();
    let [second_place, third_place] = [second, third].map(|id| place(&world, id));
    let map = RowMap::new(world.buffer(160), 40);
    let mut encoder = world.device.create_command_encoder(&Default::default());
    let new = world.buffer(640);
    world.optimizer.remap_rows(&mut encoder, map.clone(), [(second, &new)]).unwrap();
    world.optimizer.remap_rows(&mut encoder, map, [(third, second_place.clone())]).unwrap();
    world.queue.submit([encoder.finish()]);
    late.arrive();
    drop(late);
    let heard = world.optimizer.set_step_count(third, 1);
    assert_out_of_memory(&heard, "the first call");
    assert_eq!(world.optimizer.shape(world.first), Ok(&[40, 4][..]));
    assert_eq!([second, third].map(|id| place(&world, id)), [second_place, third_place]);
}
