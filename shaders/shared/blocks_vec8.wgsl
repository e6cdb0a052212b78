// As `blocks_scalar`, eight f32 at a time.

fn block_of(run: Run, block: u32) -> f32 {
    var sums = vec4<f32>();
    for (var column = BLOCK / 8u * block; column < BLOCK / 8u * (block + 1u); column++) {
        if (column >= config.values.columns) {
            break;
        }
        let squares = squared_at(run, column);
        sums = together(together(sums, squares[0]), squares[1]);
    }
    let pairs = together(sums, vec4<f32>(sums.y, sums.x, sums.w, sums.z));
    return together(pairs, vec4<f32>(pairs.z, pairs.w, pairs.x, pairs.y)).x;
}
