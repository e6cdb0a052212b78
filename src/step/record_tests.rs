use crate::guard::world::World;

#[test]
fn a_step_like_the_last_is_neither_listed_anew_nor_makes_room() {
    let mut world = World::new();
    let grad = world.grad(300);
    world.optimizer.set_grad(world.first, grad).unwrap();
    // Two, because what a step is asked for is held twice, to be compared.
    (0..2).for_each(|_| world.step().unwrap());
    let recorder = &mut world.optimizer.recorder;
    let places = (recorder.list.as_ptr(), recorder.next.tables.as_ptr());
    // No list that is made has such a dispatch.
    recorder.list[0].launch.turns = u32::MAX;
    recorder.prepare(&world.optimizer.tables).unwrap();
    assert_eq!(recorder.list[0].launch.turns, u32::MAX);
    assert_eq!((recorder.list.as_ptr(), recorder.next.tables.as_ptr()), places);
    let other = world.grad(301);
    world.optimizer.set_grad(world.first, other).unwrap();
    let recorder = &mut world.optimizer.recorder;
    recorder.prepare(&world.optimizer.tables).unwrap();
    assert_ne!(recorder.list[0].launch.turns, u32::MAX);
}
