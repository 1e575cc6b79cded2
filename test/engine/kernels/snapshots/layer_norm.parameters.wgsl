const WORKGROUP: u32 = 64u;
const PARAMETERS: bool = true;
const COLUMNS: u32 = 32u;
const LINES: u32 = 8u;
@group(0) @binding(0) var<storage, read> x: array<f32>;
fn load_x(i: u32) -> f32 { return x[i]; }
@group(0) @binding(1) var<storage, read> mean: array<f32>;
fn load_mean(i: u32) -> f32 { return mean[i]; }
@group(0) @binding(2) var<storage, read> rstd: array<f32>;
fn load_rstd(i: u32) -> f32 { return rstd[i]; }
@group(0) @binding(3) var<storage, read> dy: array<u32>;
fn load_dy(i: u32) -> f32 { return unpack2x16float(dy[i / 2u])[i % 2u]; }
@group(0) @binding(4) var<storage, read_write> dgamma: array<f32>;
fn load_dgamma(i: u32) -> f32 { return dgamma[i]; }
fn store_dgamma(i: u32, v: f32) { dgamma[i] = v; }
@group(0) @binding(5) var<storage, read_write> dbeta: array<f32>;
fn load_dbeta(i: u32) -> f32 { return dbeta[i]; }
fn store_dbeta(i: u32, v: f32) { dbeta[i] = v; }
struct Uniforms { ROWS: u32, WIDTH: u32 }
@group(0) @binding(6) var<uniform> uniforms: Uniforms;
var<workgroup> partial: array<vec2f, COLUMNS * LINES>;
@compute @workgroup_size(COLUMNS, LINES)
fn parameters(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let column = group.x * COLUMNS + local.x;
  var sums = vec2f(0.0);
  if (column < uniforms.WIDTH) {
    for (var row = local.y; row < uniforms.ROWS; row += LINES) {
      let at = row * uniforms.WIDTH + column;
      sums += load_dy(at) * vec2f((x[at] - mean[row]) * rstd[row], 1.0);
    }
  }
  partial[local.y * COLUMNS + local.x] = sums;
  workgroupBarrier();
  if (local.y > 0u || column >= uniforms.WIDTH) { return; }
  for (var line = 1u; line < LINES; line++) { sums += partial[line * COLUMNS + local.x]; }
  dgamma[column] = sums.x;
  dbeta[column] = sums.y;
}
