// Per splat: its gradients, gathered from the pixels of chosen tiles in its box, in one order; no atomics.
//
// With the weight w = opacity * (exp(-q/2) - LAST) in a pixel of total weight W and colour C, and r' = r / W:
//   d loss / d colour = w r'        d loss / d w = r' . (colour - C)

@group(0) @binding(0) var<uniform> config: Config;
@group(0) @binding(1) var<storage, read> tiles_drawn: array<u32>;
@group(0) @binding(2) var<storage, read> drawn: array<vec4f>;
@group(0) @binding(3) var<storage, read> pixels: array<vec4f>;
// A pool as the parameters', and the statistics that densification reads.
@group(0) @binding(4) var<storage, read_write> grads: array<f32>;

struct Sums {
    position: vec2f,
    scale: vec2f,
    rotation: f32,
    opacity: f32,
    colour: vec3f,
    // The sum of |d loss / d position| of each pixel by itself: they cannot cancel.
    moved: f32,
    seen: f32,
}

fn add_pixel(sums: ptr<function, Sums>, at: vec2u, place: vec4f, axes: vec4f, colour: vec4f) {
    let offset = vec2f(at) + 0.5 - place.xy;
    let along = along_axes(offset, axes);
    let q = dot(along, along);
    if !covers(offset, q, place.zw) {
        return;
    }
    let r = pixels[(config.height + at.y) * config.width + at.x];
    let power = exp(-0.5 * q);
    let d_weight = dot(r.xyz, colour.xyz) - r.w;
    let d_q = -0.5 * d_weight * colour.w * power;
    let slope = 2.0 * along * axes.zw;
    let d_position = -d_q * vec2f(axes.x * slope.x - axes.y * slope.y, axes.y * slope.x + axes.x * slope.y);
    (*sums).position += d_position;
    (*sums).moved += length(d_position);
    (*sums).scale += -2.0 * d_q * along * along;
    (*sums).rotation += d_q * (along.y / axes.w * slope.x - along.x / axes.z * slope.y);
    (*sums).opacity += d_weight * (power - LAST);
    (*sums).colour += colour.w * (power - LAST) * r.xyz;
}

fn add_tile(sums: ptr<function, Sums>, tile: vec2u, place: vec4f, axes: vec4f, colour: vec4f) {
    let edge = min((tile + 1u) * TILE, vec2u(config.width, config.height));
    let first = vec2f(tile * TILE);
    let low = vec2u(clamp(floor(place.xy - place.zw), first, vec2f(edge)));
    let high = vec2u(clamp(ceil(place.xy + place.zw), first, vec2f(edge)));
    for (var y = low.y; y < high.y; y += 1u) {
        for (var x = low.x; x < high.x; x += 1u) {
            add_pixel(sums, vec2u(x, y), place, axes, colour);
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let row = id.x;
    if row >= config.rows {
        return;
    }
    let place = drawn[3u * row];
    let axes = drawn[3u * row + 1u];
    let colour = drawn[3u * row + 2u];
    let tiles = tiles_of(config, place);
    var sums: Sums;
    for (var y = tiles.y; y <= tiles.w; y += 1u) {
        for (var x = tiles.x; x <= tiles.z; x += 1u) {
            if tiles_drawn[y * config.across + x] != 0u {
                sums.seen = 1.0;
                add_tile(&sums, vec2u(x, y), place, axes, colour);
            }
        }
    }
    grads[2u * row] = sums.position.x;
    grads[2u * row + 1u] = sums.position.y;
    grads[config.scales + 2u * row] = sums.scale.x;
    grads[config.scales + 2u * row + 1u] = sums.scale.y;
    grads[config.rotations + row] = sums.rotation;
    grads[config.colours + 3u * row] = sums.colour.x;
    grads[config.colours + 3u * row + 1u] = sums.colour.y;
    grads[config.colours + 3u * row + 2u] = sums.colour.z;
    grads[config.opacities + row] = sums.opacity * colour.w * (1.0 - colour.w);
    grads[config.statistics + 2u * row] += sums.moved;
    grads[config.statistics + 2u * row + 1u] += sums.seen;
}
