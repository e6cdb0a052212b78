// Loss and gradient of a batch: one invocation owns one pair.
//
// A pair is a noun u and its candidates c_0 .. c_N: c_0 is an ancestor of u, the others are
// negatives. With d_j = |u - c_j|^2 and p = softmax(-d), its loss is -log p_0, and
//
//     dloss/dc_j = 2 (p_j - [j = 0]) (u - c_j)        dloss/du = -sum_j dloss/dc_j
//
// all divided by the batch's pairs, as the mean over the batch has it.
//
// The host puts these constants before this text:
//     COLUMNS      vec4s a row of the embedding
//     CANDIDATES   1 + negatives
//     WORKGROUP    invocations a workgroup
// and `embedding_at`, which reads four values of the embedding.

const ENTRIES = 1u + CANDIDATES;

struct Batch {
    pairs: u32,
    /// 1 / pairs.
    scale: f32,
}

@group(0) @binding(0) var<uniform> batch: Batch;
/// [pairs, ENTRIES]: u, then its candidates. These are also the indices of the gradient.
@group(0) @binding(2) var<storage, read> ids: array<u32>;
/// [pairs, ENTRIES, COLUMNS]: the value rows of the gradient.
@group(0) @binding(3) var<storage, read_write> values: array<vec4<f32>>;
/// [pairs]
@group(0) @binding(4) var<storage, read_write> losses: array<f32>;

fn squared_distance(a: u32, b: u32) -> f32 {
    var sum = vec4<f32>();
    for (var column = 0u; column < COLUMNS; column++) {
        let difference = embedding_at(a + column) - embedding_at(b + column);
        sum += difference * difference;
    }
    return (sum.x + sum.y) + (sum.z + sum.w);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) invocation: vec3<u32>) {
    let pair = invocation.x;
    if (pair >= batch.pairs) {
        return;
    }
    let first = pair * ENTRIES;
    let u = ids[first] * COLUMNS;

    // Where each candidate's row starts, and p_j up to a common factor. The nearest distance is
    // taken off first, so that no exponential overflows.
    var rows: array<u32, CANDIDATES>;
    var weights: array<f32, CANDIDATES>;
    for (var j = 0u; j < CANDIDATES; j++) {
        rows[j] = ids[first + 1u + j] * COLUMNS;
    }
    for (var column = 0u; column < COLUMNS; column++) {
        let here = embedding_at(u + column);
        for (var j = 0u; j < CANDIDATES; j++) {
            let difference = here - embedding_at(rows[j] + column);
            weights[j] += dot(difference, difference);
        }
    }
    let ancestor = weights[0];
    var nearest = ancestor;
    for (var j = 1u; j < CANDIDATES; j++) {
        nearest = min(nearest, weights[j]);
    }
    var total = 0.0;
    for (var j = 0u; j < CANDIDATES; j++) {
        weights[j] = exp(nearest - weights[j]);
        total += weights[j];
    }
    losses[pair] = ancestor - nearest + log(total);

    // From here on the weights are the factors of (u - c_j).
    for (var j = 0u; j < CANDIDATES; j++) {
        let target_probability = select(0.0, 1.0, j == 0u);
        weights[j] = 2.0 * batch.scale * (weights[j] / total - target_probability);
    }
    for (var column = 0u; column < COLUMNS; column++) {
        let here = embedding_at(u + column);
        var sum = vec4<f32>();
        for (var j = 0u; j < CANDIDATES; j++) {
            let grad = weights[j] * (here - embedding_at(rows[j] + column));
            values[(first + 1u + j) * COLUMNS + column] = grad;
            sum += grad;
        }
        values[first * COLUMNS + column] = -sum;
    }
}
