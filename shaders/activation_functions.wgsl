fn quick_gelu(x: f32) -> f32 { return x / (1.0 + exp(-1.702 * x)); }
fn gelu(x: f32) -> f32 { return x; }
