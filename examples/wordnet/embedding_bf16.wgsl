// The embedding in bf16, two values a word: the upper halves of f32.

/// [nouns, COLUMNS]
@group(0) @binding(1) var<storage, read> embedding: array<vec2<u32>>;

fn embedding_at(column: u32) -> vec4<f32> {
    let words = embedding[column];
    let halves = vec4<u32>(words.x << 16u, words.x, words.y << 16u, words.y);
    return bitcast<vec4<f32>>(halves & vec4<u32>(0xffff0000u));
}
