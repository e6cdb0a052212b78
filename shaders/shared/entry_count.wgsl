// How many entries there are, which the host knows, or the GPU.
struct EntryCount {
    /// Entries of the gradient; those beyond it are ignored.
    entries: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}
