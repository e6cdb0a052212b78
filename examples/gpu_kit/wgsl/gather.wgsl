// P5: rows of a table by their ids. LANES neighbouring invocations share a row; FLIGHT rows are asked
// for before the first is used. Lines that end in `each` are written out FLIGHT times, `$` counting.
//
// config: a: vec4s of a row, b: rows of a team, a multiple of FLIGHT.

override LANES: u32 = 8u;

@group(0) @binding(1) var<storage, read> table: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let first = id.x / LANES * config.b;
    var sum = vec4<u32>();
    for (var entry = first; entry < first + config.b; entry += FLIGHTu) {
        for (var column = id.x % LANES; column < config.a; column += LANES) {
            let id$ = ids[entry + $u]; // each
            let row$ = table[id$ * config.a + column]; // each
            sum += row$; // each
        }
    }
    sums[id.x] = sum.x + sum.y + sum.z + sum.w;
}
