// Four f32 as two u64.

fn unpack_four(two: vec2<u64>) -> vec4<f32> {
    let words = vec4<u32>(u32(two.x), u32(two.x >> 32u), u32(two.y), u32(two.y >> 32u));
    return bitcast<vec4<f32>>(words);
}

fn pack_four(four: vec4<f32>) -> vec2<u64> {
    let words = bitcast<vec4<u32>>(four);
    let low = vec2<u64>(u64(words.x), u64(words.z));
    return low | (vec2<u64>(u64(words.y), u64(words.w)) << vec2<u32>(32u));
}
