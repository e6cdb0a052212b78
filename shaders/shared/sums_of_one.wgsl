// What a stage that sums chunks binds of its table. Where a dispatch takes several, `sums_of_items` takes the place of this.

@group(0) @binding(0) var<uniform> config: PartialConfig;
