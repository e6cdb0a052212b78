// The sum of a block, an f32 at a time: (t0 + t1) + (t2 + t3), where t0 is that of its columns 0, 4, 8 and 12, one
// after another, t1 that of columns 1, 5, 9 and 13, and so on. Columns that a row does not have add nothing.

fn block_of(run: Run, block: u32) -> f32 {
    var sums = vec4<f32>();
    for (var j = 0u; j < 4u; j++) {
        var sum = 0f;
        for (var column = BLOCK * block + j; column < BLOCK * (block + 1u); column += 4u) {
            if (column >= config.values.columns) {
                break;
            }
            sum = together(sum, squared_at(run, column));
        }
        sums = vec4<f32>(sums.y, sums.z, sums.w, sum);
    }
    return together(together(sums.x, sums.y), together(sums.z, sums.w));
}
