// As `blocks_scalar`, four f32 at a time.

fn block_of(run: Run, block: u32) -> f32 {
    var sums = vec4<f32>();
    for (var column = BLOCK / 4u * block; column < BLOCK / 4u * (block + 1u); column++) {
        if (column >= config.values.columns) {
            break;
        }
        sums = together(sums, squared_at(run, column));
    }
    let pairs = together(sums, vec4<f32>(sums.y, sums.x, sums.w, sums.z));
    return together(pairs, vec4<f32>(pairs.z, pairs.w, pairs.x, pairs.y)).x;
}
