// Per chosen tile: the splats that touch it, in the order of their rows, so that sums over them have one order.

@group(0) @binding(0) var<uniform> config: Config;
@group(0) @binding(1) var<storage, read> tiles_drawn: array<u32>;
@group(0) @binding(2) var<storage, read> drawn: array<vec4f>;
// A list per chosen tile: its length, then rows; room for all of them.
@group(0) @binding(3) var<storage, read_write> lists: array<u32>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x >= config.chosen {
        return;
    }
    let tile = tiles_drawn[config.tiles + id.x];
    let low = vec2f(vec2u(tile % config.across, tile / config.across) * TILE);
    let high = low + f32(TILE);
    let start = id.x * (config.most + 1u);
    var count = 0u;
    for (var row = 0u; row < config.rows; row += 1u) {
        let place = drawn[3u * row];
        if all(place.xy + place.zw >= low) && all(place.xy - place.zw <= high) {
            count += 1u;
            lists[start + count] = row;
        }
    }
    lists[start] = count;
}
