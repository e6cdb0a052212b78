// The embedding in f32.

/// [nouns, COLUMNS]
@group(0) @binding(1) var<storage, read> embedding: array<vec4<f32>>;

fn embedding_at(column: u32) -> vec4<f32> {
    return embedding[column];
}
