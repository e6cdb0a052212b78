// What lanes have in common that are stored as they are computed with: scalar and vec4.

fn unpack(stored: Stored) -> Lane {
    return stored;
}

fn pack(lane: Lane) -> Stored {
    return lane;
}
