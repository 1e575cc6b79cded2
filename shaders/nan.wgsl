// NaN by its bits: WGSL's max, min, clamp and sign may drop it, and compilers may assume that there is none.

fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
