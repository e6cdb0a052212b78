// Forward and backward of the classifier, one entry point a kernel.
//
// All of these are slices of one buffer, and a buffer that one binding of a dispatch writes must
// not be read-only in another: so every binding is read_write. No kernel uses more than four.
//
// The host puts these constants before this text:
//     DIM          values a word
//     CLASSES
//     BAGS         bags a frame
//     HEAD_LR      learning rate of the head
//     WORKGROUP    invocations a workgroup

struct Bag {
    /// Its first entry in ids.
    first: u32,
    /// Its entries; at least 1.
    length: u32,
    /// Its class.
    label: u32,
}

/// Values a row of scores: the errors, the loss, and 1 if the answer is right.
const SCORES = CLASSES + 2u;

/// [VOCABULARY, DIM]
@group(0) @binding(0) var<storage, read_write> embedding: array<f32>;
/// [capacity]: the words of one bag after those of another. Also the indices of the gradient.
@group(0) @binding(1) var<storage, read_write> ids: array<u32>;
/// [BAGS]
@group(0) @binding(2) var<storage, read_write> bags: array<Bag>;
/// [BAGS, DIM]: the mean of a bag's words.
@group(0) @binding(3) var<storage, read_write> pooled: array<f32>;
/// [CLASSES, DIM]
@group(0) @binding(4) var<storage, read_write> head: array<f32>;
/// [BAGS, SCORES]. An error is the derivative of the frame's mean loss by a logit.
@group(0) @binding(5) var<storage, read_write> scores: array<f32>;
/// [2]: losses and right answers, summed over frames until the host takes them.
@group(0) @binding(6) var<storage, read_write> totals: array<f32>;
/// [BAGS, DIM]: the derivative of the frame's mean loss by `pooled`; the gradient's value rows.
@group(0) @binding(7) var<storage, read_write> bag_grads: array<f32>;
/// [capacity]: the bag of an entry, that is, its value row.
@group(0) @binding(8) var<storage, read_write> value_map: array<u32>;
/// [capacity]: what an entry's value row is multiplied by, 1 / length for a mean.
@group(0) @binding(9) var<storage, read_write> weights: array<f32>;
/// Entries of the frame.
@group(0) @binding(10) var<storage, read_write> count: u32;

/// Forward: an invocation a value of `pooled`.
@compute @workgroup_size(WORKGROUP)
fn pool_bags(@builtin(global_invocation_id) invocation: vec3<u32>) {
    let at = invocation.x;
    if (at >= BAGS * DIM) {
        return;
    }
    let bag = bags[at / DIM];
    var sum = 0.0;
    for (var entry = bag.first; entry < bag.first + bag.length; entry++) {
        sum += embedding[ids[entry] * DIM + at % DIM];
    }
    pooled[at] = sum / f32(bag.length);
}

/// Forward: softmax and cross-entropy, an invocation a bag.
@compute @workgroup_size(WORKGROUP)
fn classify(@builtin(global_invocation_id) invocation: vec3<u32>) {
    let bag = invocation.x;
    if (bag >= BAGS) {
        return;
    }
    let label = bags[bag].label;
    var logits: array<f32, CLASSES>;
    for (var column = 0u; column < DIM; column++) {
        let value = pooled[bag * DIM + column];
        for (var k = 0u; k < CLASSES; k++) {
            logits[k] += value * head[k * DIM + column];
        }
    }
    // The largest logit is taken off, so that no exponential overflows.
    var largest = logits[0];
    for (var k = 1u; k < CLASSES; k++) {
        largest = max(largest, logits[k]);
    }
    var total = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
        total += exp(logits[k] - largest);
    }
    let row = bag * SCORES;
    for (var k = 0u; k < CLASSES; k++) {
        let probability = exp(logits[k] - largest) / total;
        scores[row + k] = (probability - select(0.0, 1.0, k == label)) / f32(BAGS);
    }
    scores[row + CLASSES] = log(total) + largest - logits[label];
    scores[row + CLASSES + 1u] = select(0.0, 1.0, logits[label] == largest);
}

/// Adds up what the bags came to, in their order: one invocation the losses, one the hits.
@compute @workgroup_size(WORKGROUP)
fn add_totals(@builtin(global_invocation_id) invocation: vec3<u32>) {
    let column = invocation.x;
    if (column >= 2u) {
        return;
    }
    var sum = 0.0;
    for (var bag = 0u; bag < BAGS; bag++) {
        sum += scores[bag * SCORES + CLASSES + column];
    }
    totals[column] += sum;
}

/// Backward through the head: an invocation a value of `bag_grads`.
@compute @workgroup_size(WORKGROUP)
fn bag_gradients(@builtin(global_invocation_id) invocation: vec3<u32>) {
    let at = invocation.x;
    if (at >= BAGS * DIM) {
        return;
    }
    var sum = 0.0;
    for (var k = 0u; k < CLASSES; k++) {
        sum += scores[at / DIM * SCORES + k] * head[k * DIM + at % DIM];
    }
    bag_grads[at] = sum;
}

/// Backward through the mean, as far as this engine goes: which bag each entry belongs to and
/// how much of its gradient it gets. An invocation a bag. The optimizer does the rest.
@compute @workgroup_size(WORKGROUP)
fn describe_entries(@builtin(global_invocation_id) invocation: vec3<u32>) {
    if (invocation.x >= BAGS) {
        return;
    }
    let bag = bags[invocation.x];
    let end = bag.first + bag.length;
    for (var entry = bag.first; entry < end; entry++) {
        value_map[entry] = invocation.x;
        weights[entry] = 1.0 / f32(bag.length);
    }
    if (invocation.x == BAGS - 1u) {
        count = end;
    }
}

/// Backward and SGD of the head: an invocation a value of `head`.
@compute @workgroup_size(WORKGROUP)
fn step_head(@builtin(global_invocation_id) invocation: vec3<u32>) {
    let at = invocation.x;
    if (at >= CLASSES * DIM) {
        return;
    }
    var grad = 0.0;
    for (var bag = 0u; bag < BAGS; bag++) {
        grad += scores[bag * SCORES + at / DIM] * pooled[bag * DIM + at % DIM];
    }
    head[at] -= HEAD_LR * grad;
}
