// The embedding in f16, two values a word.

/// [nouns, COLUMNS]
@group(0) @binding(1) var<storage, read> embedding: array<vec2<u32>>;

fn embedding_at(column: u32) -> vec4<f32> {
    let words = embedding[column];
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}
