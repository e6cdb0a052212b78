// As `blocks_scalar`, two f32 at a time: every other pair, then those between.

fn block_of(run: Run, block: u32) -> f32 {
    var sums = vec4<f32>();
    for (var j = 0u; j < 2u; j++) {
        var sum = vec2<f32>();
        for (var column = BLOCK / 2u * block + j; column < BLOCK / 2u * (block + 1u); column += 2u) {
            if (column >= config.values.columns) {
                break;
            }
            sum = together(sum, squared_at(run, column));
        }
        sums = vec4<f32>(sums.z, sums.w, sum.x, sum.y);
    }
    let pairs = together(vec2<f32>(sums.x, sums.z), vec2<f32>(sums.y, sums.w));
    return together(pairs, vec2<f32>(pairs.y, pairs.x)).x;
}
