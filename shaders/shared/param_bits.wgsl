// What of the parameter is stored in 16 bits, as PARAM_F16 and STOCHASTIC tell.

fn param_part(half: Bits) -> Part {
    if (PARAM_F16) {
        return f16_value(half);
    }
    return bf16_value(half);
}

fn param_lane(bits: LaneBits) -> Lane {
    return joined(param_part(bits.low), param_part(bits.high));
}

fn param_half(x: Part, random: Bits) -> Bits {
    if (STOCHASTIC && PARAM_F16) {
        return f16_stochastic(x, random);
    }
    if (STOCHASTIC) {
        return bf16_stochastic(x, random);
    }
    if (PARAM_F16) {
        return f16_nearest(x);
    }
    return bf16_nearest(x);
}

fn param_bits(row: u32, column: u32, lane: Lane) -> LaneBits {
    let columns = Bits(column * LANE_WIDTH) + COLUMNS;
    let low = random_at(row, columns).param;
    let high = random_at(row, columns + Bits(4u)).param;
    return LaneBits(param_half(low_of(lane), low), param_half(high_of(lane), high));
}
