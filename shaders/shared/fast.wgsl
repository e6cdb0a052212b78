// The device's own arithmetic. WGSL lets a compiler fuse and reorder it, and lets a device round a
// quotient and a root as it likes; a CPU adapter does neither.

fn settled(x: Part) -> Part {
    return x;
}

fn negated(x: Part) -> Part {
    return -x;
}

fn quotient_of(x: Part, y: Part) -> Part {
    return x / y;
}

fn root_of(x: Part) -> Part {
    return sqrt(x);
}
