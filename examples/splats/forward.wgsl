// Per pixel of a chosen tile: its colour, the mean of its splats' colours, weighted by their opacities and exponents.
// Half the squared distance from the target is the loss; r is its gradient with respect to the colour.

@group(0) @binding(0) var<uniform> config: Config;
@group(0) @binding(1) var<storage, read> tiles_drawn: array<u32>;
@group(0) @binding(2) var<storage, read> drawn: array<vec4f>;
@group(0) @binding(3) var<storage, read> lists: array<u32>;
// The target's pixels, then as many for what is written here.
@group(0) @binding(4) var<storage, read_write> pixels: array<vec4f>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
    let tile = tiles_drawn[config.tiles + group.x];
    let at = vec2u(tile % config.across, tile / config.across) * TILE + local.xy;
    let centre = vec2f(at) + 0.5;
    let start = group.x * (config.most + 1u);
    let count = lists[start];
    var total = GREY_WEIGHT;
    var sum = vec3f(GREY_WEIGHT * GREY);
    for (var i = 1u; i <= count; i += 1u) {
        let row = lists[start + i];
        let place = drawn[3u * row];
        let offset = centre - place.xy;
        let along = along_axes(offset, drawn[3u * row + 1u]);
        let q = dot(along, along);
        if covers(offset, q, place.zw) {
            let colour = drawn[3u * row + 2u];
            let weight = colour.w * (exp(-0.5 * q) - LAST);
            total += weight;
            sum += weight * colour.xyz;
        }
    }
    if at.x >= config.width || at.y >= config.height {
        return;
    }
    let pixel = at.y * config.width + at.x;
    let colour = sum / total;
    let r = (colour - pixels[pixel].xyz) / total;
    let backward = vec4f(r, dot(r, colour));
    pixels[config.width * config.height + pixel] = select(backward, vec4f(colour, 0.0), config.shown != 0u);
}
