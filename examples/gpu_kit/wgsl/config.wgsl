// What every probe is told; each says what a to d are.

struct Config { a: u32, b: u32, c: u32, d: u32 }

@group(0) @binding(0) var<uniform> config: Config;
