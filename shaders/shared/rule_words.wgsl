// A rule's words, where nothing is drawn.

@group(0) @binding(1) var<uniform> rule: Rule;

fn begin_row() {}
