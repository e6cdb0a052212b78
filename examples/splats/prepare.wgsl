// Per splat: what drawing it takes, from the five tensors; and the list of those that a chosen tile sees. The
// list's order is that of arrival, on which no bit depends: each row is named once.

@group(0) @binding(0) var<uniform> config: Config;
@group(0) @binding(1) var<storage, read> pool: array<f32>;
@group(0) @binding(2) var<storage, read> tiles_drawn: array<u32>;
@group(0) @binding(3) var<storage, read_write> drawn: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> visible: array<atomic<u32>>;

// The list's numbers start behind its length, where a binding may start.
const IDS = 64u;

fn is_seen(place: vec4f) -> bool {
    let tiles = tiles_of(config, place);
    for (var y = tiles.y; y <= tiles.w; y += 1u) {
        for (var x = tiles.x; x <= tiles.z; x += 1u) {
            if tiles_drawn[y * config.across + x] != 0u {
                return true;
            }
        }
    }
    return false;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let row = id.x;
    if row >= config.rows {
        return;
    }
    let centre = vec2f(pool[2u * row], pool[2u * row + 1u]);
    let scale = exp(vec2f(pool[config.scales + 2u * row], pool[config.scales + 2u * row + 1u]));
    let angle = pool[config.rotations + row];
    let axes = vec2f(cos(angle), sin(angle));
    let first = config.colours + 3u * row;
    let colour = vec3f(pool[first], pool[first + 1u], pool[first + 2u]);
    let opacity = 1.0 / (1.0 + exp(-pool[config.opacities + row]));
    let box = vec2f(length(axes * scale), length(axes.yx * scale)) * sqrt(END);
    let place = vec4f(centre, min(box, vec2f(REACH)));
    drawn[3u * row] = place;
    drawn[3u * row + 1u] = vec4f(axes, 1.0 / scale);
    drawn[3u * row + 2u] = vec4f(colour, opacity);
    if config.dense != 0u || is_seen(place) {
        atomicStore(&visible[IDS + atomicAdd(&visible[0], 1u)], row);
    }
}
