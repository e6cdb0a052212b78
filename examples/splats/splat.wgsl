// What all kernels of this example know of a splat: three vec4 in `drawn`, written by prepare.wgsl.
//   position x, y; half of its box, x, y          in pixels
//   cos, sin of its angle; 1 / scale on each axis
//   red, green, blue; opacity

struct Config {
    width: u32,
    height: u32,
    // Tiles in a row of the picture, and in all.
    across: u32,
    tiles: u32,
    // Tiles that are drawn now; their numbers stand behind a mark for each tile in `tiles_drawn`.
    chosen: u32,
    // Splats that there are, and that there is room for.
    rows: u32,
    most: u32,
    // 1: every splat has a gradient, be it zero.
    dense: u32,
    // Where tensors start in a pool of f32; positions start at 0.
    scales: u32,
    rotations: u32,
    colours: u32,
    opacities: u32,
    statistics: u32,
    // 1: the pixels' colours are written, 0: what the backward pass needs.
    shown: u32,
}

const TILE = 16u;
// A splat ends where its exponent, -q/2, is this q: three standard deviations.
const END = 9.0;
// exp(-END / 2), which is taken off, so that weights end at zero.
const LAST = 0.011108997;
// Half of the largest box, in pixels: bounds the turns of a loop over its pixels.
const REACH = 100.0;
// What every pixel has of grey, so that one which no splat covers has a colour.
const GREY_WEIGHT = 1e-3;
const GREY = 0.5;

// The offset from a splat's centre along its axes, each over its scale.
fn along_axes(offset: vec2f, axes: vec4f) -> vec2f {
    return vec2f(axes.x * offset.x + axes.y * offset.y, axes.x * offset.y - axes.y * offset.x) * axes.zw;
}

fn covers(offset: vec2f, q: f32, box: vec2f) -> bool {
    return q < END && abs(offset.x) <= box.x && abs(offset.y) <= box.y;
}

// The first and the last tile, across and down, that a splat's box touches.
fn tiles_of(config: Config, place: vec4f) -> vec4u {
    let most = vec2f(vec2u(config.across, config.tiles / config.across) - 1u);
    let first = clamp(floor((place.xy - place.zw) / f32(TILE)), vec2f(0.0), most);
    let last = clamp(floor((place.xy + place.zw) / f32(TILE)), vec2f(0.0), most);
    return vec4u(vec2u(first), vec2u(last));
}
