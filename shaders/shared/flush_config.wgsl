// A window whose rows are brought up to date.

struct FlushConfig {
    rows: u32,
    /// Values per row, and how many of them an invocation takes.
    dim: u32,
    strip: u32,
    /// 0, which no compiler knows (fragment `exact`).
    zero: u32,
}

@group(0) @binding(0) var<uniform> config: FlushConfig;
@group(0) @binding(1) var<uniform> row_rule: RowRule;
