// Random bits to round with. Twin: `src/narrow.rs`.

/// For the parameter, and for each moment.
struct Random {
    param: Bits,
    first: Bits,
    second: Bits,
}

// Of columns of a row of the table in a step: pcg4d (Jarzynski and Olano 2020) of all of them and the seed.
fn random_of(table_row: u32, columns: Bits, step: u32, seed: u32) -> Random {
    var x = Bits(table_row * 1664525u + 1013904223u);
    var y = columns * Bits(1664525u) + Bits(1013904223u);
    var z = Bits(step * 1664525u + 1013904223u);
    var w = Bits(seed * 1664525u + 1013904223u);
    x += y * w;
    y += z * x;
    z += x * y;
    w += y * z;
    x ^= x >> Bits(16u);
    y ^= y >> Bits(16u);
    z ^= z >> Bits(16u);
    w ^= w >> Bits(16u);
    x += y * w;
    y += z * x;
    z += x * y;
    return Random(x, y, z);
}
