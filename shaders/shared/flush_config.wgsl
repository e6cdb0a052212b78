// A window whose rows are brought up to date.

/// As an update has it: values per row; and how many of them an invocation takes.
struct FlushValues {
    columns: u32,
    strip: u32,
    pad0: u32,
    pad1: u32,
}

struct FlushConfig {
    values: FlushValues,
    rows: u32,
    /// The window's first row in the table.
    first_row: u32,
    /// 0, which no compiler knows (fragment `exact`).
    zero: u32,
    pad0: u32,
}

@group(0) @binding(0) var<uniform> config: FlushConfig;
@group(0) @binding(1) var<uniform> row_rule: RowRule;
