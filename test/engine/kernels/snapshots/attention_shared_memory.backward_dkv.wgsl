const WORKGROUP: u32 = 64u;
const CAUSAL: bool = false;
const FORWARD: bool = false;
const STORE_LSE: bool = false;
const BACKWARD_DQ: bool = false;
const BACKWARD_DKV: bool = true;
const BACKWARD: bool = true;
@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
fn load_qkv(i: u32) -> vec4f { return qkv[i]; }
@group(0) @binding(1) var<storage, read> lse: array<f32>;
fn load_lse(i: u32) -> f32 { return lse[i]; }
@group(0) @binding(2) var<storage, read> d_o: array<vec4f>;
fn load_d_o(i: u32) -> vec4f { return d_o[i]; }
@group(0) @binding(3) var<storage, read> delta: array<f32>;
fn load_delta(i: u32) -> f32 { return delta[i]; }
@group(0) @binding(4) var<storage, read_write> d_qkv: array<vec4f>;
fn load_d_qkv(i: u32) -> vec4f { return d_qkv[i]; }
fn store_d_qkv(i: u32, v: vec4f) { d_qkv[i] = v; }
struct Uniforms { TOKENS: u32, HEADS: u32 }
@group(0) @binding(5) var<uniform> uniforms: Uniforms;
const HEAD = 16u;
const SCALE = 0.125f;
const LOWEST = -3.0e38f;
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn exp_of(x: f32) -> f32 { return select(exp(x), x, is_nan(x)); }
fn exp_of_both(x: vec2f) -> vec2f { return vec2f(exp_of(x.x), exp_of(x.y)); }
fn exp_of_four(x: vec4f) -> vec4f {
  return select(exp(x), x, (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u));
}
fn log_of(x: f32) -> f32 { return select(log(x), x, is_nan(x)); }
fn sum_under(largest: f32, sum: f32) -> f32 {
  let bits = bitcast<u32>(largest);
  return select(sum, bitcast<f32>(bits | 0x7fc00000u), (bits & 0x7f800000u) == 0x7f800000u);
}
fn qkv_row(batch: u32, token: u32, part: u32, head: u32) -> u32 {
  return ((batch * uniforms.TOKENS + min(token, uniforms.TOKENS - 1u)) * 3u + part) * uniforms.HEADS * HEAD + head * HEAD;
}
fn o_row(batch: u32, token: u32, head: u32) -> u32 {
  return ((batch * uniforms.TOKENS + min(token, uniforms.TOKENS - 1u)) * uniforms.HEADS + head) * HEAD;
}
fn scalar_at(batch: u32, token: u32, head: u32) -> u32 {
  return (batch * uniforms.HEADS + head) * uniforms.TOKENS + min(token, uniforms.TOKENS - 1u);
}
const ROW_LANES = 16u;
const INVOCATIONS = 128u;
const TILE = 32u;
const CHUNK = 64u;
const HALF_CHUNK = 32u;
const SLICE = 8u;
const FETCH = INVOCATIONS / SLICE;
const TILE_STRIDE = TILE + 1u;
const STREAMED_AT = SLICE * TILE_STRIDE;
const STREAMED_STRIDE = CHUNK + 1u;
const WEIGHTS_STRIDE = TILE / 4u + 1u;
const ROWS_AT = HALF_CHUNK * WEIGHTS_STRIDE;
var<workgroup> workgroup_memory: array<vec4f, max(STREAMED_AT + SLICE * STREAMED_STRIDE, ROWS_AT + HALF_CHUNK * HEAD)>;
fn load_q(batch: u32, head: u32, token: u32, d: u32) -> vec4f { return load_qkv(qkv_row(batch, token, 0u, head) + d); }
fn load_k(batch: u32, head: u32, token: u32, d: u32) -> vec4f { return load_qkv(qkv_row(batch, token, 1u, head) + d); }
fn load_v(batch: u32, head: u32, token: u32, d: u32) -> vec4f { return load_qkv(qkv_row(batch, token, 2u, head) + d); }
fn load_do(batch: u32, head: u32, token: u32, d: u32) -> vec4f { return load_d_o(o_row(batch, token, head) + d); }
fn add_dot(a: vec4f, b: vec4f, sum: f32) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}
fn share_sums(x: vec4f, g: u32, t: u32) {
  workgroupBarrier();
  workgroup_memory[t * WEIGHTS_STRIDE + g] = x;
  workgroupBarrier();
}
fn shared_by(t: u32, g: u32) -> vec4f { return workgroup_memory[t * WEIGHTS_STRIDE + g]; }
@compute @workgroup_size(INVOCATIONS)
fn backward_dkv(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let head = group.y;
  let batch = group.z;
  let first = group.x * TILE;
  let g = lane / ROW_LANES;
  let t = lane % ROW_LANES;
  let rows = vec4u(first + 4u * g) + vec4u(0u, 1u, 2u, 3u);
  let depth = min(groups.z, 1u) * SLICE;
  var dk0 = vec4f(0.0);
  var dv0 = vec4f(0.0);
  var dk1 = vec4f(0.0);
  var dv1 = vec4f(0.0);
  var dk2 = vec4f(0.0);
  var dv2 = vec4f(0.0);
  var dk3 = vec4f(0.0);
  var dv3 = vec4f(0.0);
  let end = uniforms.TOKENS;
  for (var chunk = select(0u, first, CAUSAL); chunk < end; chunk += CHUNK) {
    let whole = chunk + HALF_CHUNK < end;
    var s0 = vec4f(0.0);
    var s1 = vec4f(0.0);
    var s2 = vec4f(0.0);
    var s3 = vec4f(0.0);
    for (var slice = 0u; slice < depth * HEAD / SLICE; slice += SLICE) {
      let column = slice + lane % SLICE;
      let tile0 = load_k(batch, head, first + lane / SLICE + 0u * FETCH, column);
      let streamed0 = load_q(batch, head, chunk + lane / SLICE + 0u * FETCH, column);
      let tile1 = load_k(batch, head, first + lane / SLICE + 1u * FETCH, column);
      let streamed1 = load_q(batch, head, chunk + lane / SLICE + 1u * FETCH, column);
      workgroupBarrier();
      let at = lane % SLICE * TILE_STRIDE + lane / SLICE;
      let streamed_at = STREAMED_AT + lane % SLICE * STREAMED_STRIDE + lane / SLICE;
      workgroup_memory[at + 0u * FETCH] = tile0;
      workgroup_memory[streamed_at + 0u * FETCH] = streamed0;
      workgroup_memory[at + 1u * FETCH] = tile1;
      workgroup_memory[streamed_at + 1u * FETCH] = streamed1;
      if (whole) {
        let streamed0 = load_q(batch, head, chunk + HALF_CHUNK + lane / SLICE + 0u * FETCH, column);
        let streamed1 = load_q(batch, head, chunk + HALF_CHUNK + lane / SLICE + 1u * FETCH, column);
        workgroup_memory[streamed_at + HALF_CHUNK + 0u * FETCH] = streamed0;
        workgroup_memory[streamed_at + HALF_CHUNK + 1u * FETCH] = streamed1;
        workgroupBarrier();
        for (var d = 0u; d < depth; d++) {
          let tile0 = workgroup_memory[d * TILE_STRIDE + 4u * g + 0u];
          let tile1 = workgroup_memory[d * TILE_STRIDE + 4u * g + 1u];
          let tile2 = workgroup_memory[d * TILE_STRIDE + 4u * g + 2u];
          let tile3 = workgroup_memory[d * TILE_STRIDE + 4u * g + 3u];
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + 0u * ROW_LANES];
            s0[0] = add_dot(tile0, streamed, s0[0]);
            s0[1] = add_dot(tile1, streamed, s0[1]);
            s0[2] = add_dot(tile2, streamed, s0[2]);
            s0[3] = add_dot(tile3, streamed, s0[3]);
          }
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + 1u * ROW_LANES];
            s1[0] = add_dot(tile0, streamed, s1[0]);
            s1[1] = add_dot(tile1, streamed, s1[1]);
            s1[2] = add_dot(tile2, streamed, s1[2]);
            s1[3] = add_dot(tile3, streamed, s1[3]);
          }
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + 2u * ROW_LANES];
            s2[0] = add_dot(tile0, streamed, s2[0]);
            s2[1] = add_dot(tile1, streamed, s2[1]);
            s2[2] = add_dot(tile2, streamed, s2[2]);
            s2[3] = add_dot(tile3, streamed, s2[3]);
          }
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + 3u * ROW_LANES];
            s3[0] = add_dot(tile0, streamed, s3[0]);
            s3[1] = add_dot(tile1, streamed, s3[1]);
            s3[2] = add_dot(tile2, streamed, s3[2]);
            s3[3] = add_dot(tile3, streamed, s3[3]);
          }
        }
      } else {
        workgroupBarrier();
        for (var d = 0u; d < depth; d++) {
          let tile0 = workgroup_memory[d * TILE_STRIDE + 4u * g + 0u];
          let tile1 = workgroup_memory[d * TILE_STRIDE + 4u * g + 1u];
          let tile2 = workgroup_memory[d * TILE_STRIDE + 4u * g + 2u];
          let tile3 = workgroup_memory[d * TILE_STRIDE + 4u * g + 3u];
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + 0u * ROW_LANES];
            s0[0] = add_dot(tile0, streamed, s0[0]);
            s0[1] = add_dot(tile1, streamed, s0[1]);
            s0[2] = add_dot(tile2, streamed, s0[2]);
            s0[3] = add_dot(tile3, streamed, s0[3]);
          }
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + 1u * ROW_LANES];
            s1[0] = add_dot(tile0, streamed, s1[0]);
            s1[1] = add_dot(tile1, streamed, s1[1]);
            s1[2] = add_dot(tile2, streamed, s1[2]);
            s1[3] = add_dot(tile3, streamed, s1[3]);
          }
        }
      }
    }
    let streamed0 = chunk + t + 0u * ROW_LANES;
    let scalar_at0 = scalar_at(batch, streamed0, head);
    let seen0 = vec4<bool>(streamed0 < end) & (select(vec4u(0u), rows, CAUSAL) <= vec4u(streamed0));
    let p0 = select(vec4f(0.0), exp(s0 * SCALE - lse[scalar_at0]), seen0);
    let streamed1 = chunk + t + 1u * ROW_LANES;
    let scalar_at1 = scalar_at(batch, streamed1, head);
    let seen1 = vec4<bool>(streamed1 < end) & (select(vec4u(0u), rows, CAUSAL) <= vec4u(streamed1));
    let p1 = select(vec4f(0.0), exp(s1 * SCALE - lse[scalar_at1]), seen1);
    let streamed2 = chunk + t + 2u * ROW_LANES;
    let scalar_at2 = scalar_at(batch, streamed2, head);
    let seen2 = vec4<bool>(streamed2 < end) & (select(vec4u(0u), rows, CAUSAL) <= vec4u(streamed2));
    let p2 = select(vec4f(0.0), exp(s2 * SCALE - lse[scalar_at2]), seen2);
    let streamed3 = chunk + t + 3u * ROW_LANES;
    let scalar_at3 = scalar_at(batch, streamed3, head);
    let seen3 = vec4<bool>(streamed3 < end) & (select(vec4u(0u), rows, CAUSAL) <= vec4u(streamed3));
    let p3 = select(vec4f(0.0), exp(s3 * SCALE - lse[scalar_at3]), seen3);
    if (chunk + 0u < end) {
      let row0 = load_do(batch, head, chunk + 0u + lane / HEAD + 0u * INVOCATIONS / HEAD, t);
      let row1 = load_do(batch, head, chunk + 0u + lane / HEAD + 1u * INVOCATIONS / HEAD, t);
      let row2 = load_do(batch, head, chunk + 0u + lane / HEAD + 2u * INVOCATIONS / HEAD, t);
      let row3 = load_do(batch, head, chunk + 0u + lane / HEAD + 3u * INVOCATIONS / HEAD, t);
      workgroupBarrier();
      workgroup_memory[t * WEIGHTS_STRIDE + g] = p0;
      workgroup_memory[(t + ROW_LANES) * WEIGHTS_STRIDE + g] = p1;
      workgroup_memory[ROWS_AT + lane + 0u * INVOCATIONS] = row0;
      workgroup_memory[ROWS_AT + lane + 1u * INVOCATIONS] = row1;
      workgroup_memory[ROWS_AT + lane + 2u * INVOCATIONS] = row2;
      workgroup_memory[ROWS_AT + lane + 3u * INVOCATIONS] = row3;
      workgroupBarrier();
      let count = min(depth * HALF_CHUNK / SLICE, end - chunk - 0u);
      for (var i = 0u; i < count; i += 4u) {
        {
          let w = workgroup_memory[(i + 0u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 0u) * HEAD + t];
          dv0 = fma(vec4f(w[0]), streamed, dv0);
          dv1 = fma(vec4f(w[1]), streamed, dv1);
          dv2 = fma(vec4f(w[2]), streamed, dv2);
          dv3 = fma(vec4f(w[3]), streamed, dv3);
        }
        {
          let w = workgroup_memory[(i + 1u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 1u) * HEAD + t];
          dv0 = fma(vec4f(w[0]), streamed, dv0);
          dv1 = fma(vec4f(w[1]), streamed, dv1);
          dv2 = fma(vec4f(w[2]), streamed, dv2);
          dv3 = fma(vec4f(w[3]), streamed, dv3);
        }
        {
          let w = workgroup_memory[(i + 2u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 2u) * HEAD + t];
          dv0 = fma(vec4f(w[0]), streamed, dv0);
          dv1 = fma(vec4f(w[1]), streamed, dv1);
          dv2 = fma(vec4f(w[2]), streamed, dv2);
          dv3 = fma(vec4f(w[3]), streamed, dv3);
        }
        {
          let w = workgroup_memory[(i + 3u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 3u) * HEAD + t];
          dv0 = fma(vec4f(w[0]), streamed, dv0);
          dv1 = fma(vec4f(w[1]), streamed, dv1);
          dv2 = fma(vec4f(w[2]), streamed, dv2);
          dv3 = fma(vec4f(w[3]), streamed, dv3);
        }
      }
    }
    if (chunk + HALF_CHUNK < end) {
      let row0 = load_do(batch, head, chunk + HALF_CHUNK + lane / HEAD + 0u * INVOCATIONS / HEAD, t);
      let row1 = load_do(batch, head, chunk + HALF_CHUNK + lane / HEAD + 1u * INVOCATIONS / HEAD, t);
      let row2 = load_do(batch, head, chunk + HALF_CHUNK + lane / HEAD + 2u * INVOCATIONS / HEAD, t);
      let row3 = load_do(batch, head, chunk + HALF_CHUNK + lane / HEAD + 3u * INVOCATIONS / HEAD, t);
      workgroupBarrier();
      workgroup_memory[t * WEIGHTS_STRIDE + g] = p2;
      workgroup_memory[(t + ROW_LANES) * WEIGHTS_STRIDE + g] = p3;
      workgroup_memory[ROWS_AT + lane + 0u * INVOCATIONS] = row0;
      workgroup_memory[ROWS_AT + lane + 1u * INVOCATIONS] = row1;
      workgroup_memory[ROWS_AT + lane + 2u * INVOCATIONS] = row2;
      workgroup_memory[ROWS_AT + lane + 3u * INVOCATIONS] = row3;
      workgroupBarrier();
      let count = min(depth * HALF_CHUNK / SLICE, end - chunk - HALF_CHUNK);
      for (var i = 0u; i < count; i += 4u) {
        {
          let w = workgroup_memory[(i + 0u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 0u) * HEAD + t];
          dv0 = fma(vec4f(w[0]), streamed, dv0);
          dv1 = fma(vec4f(w[1]), streamed, dv1);
          dv2 = fma(vec4f(w[2]), streamed, dv2);
          dv3 = fma(vec4f(w[3]), streamed, dv3);
        }
        {
          let w = workgroup_memory[(i + 1u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 1u) * HEAD + t];
          dv0 = fma(vec4f(w[0]), streamed, dv0);
          dv1 = fma(vec4f(w[1]), streamed, dv1);
          dv2 = fma(vec4f(w[2]), streamed, dv2);
          dv3 = fma(vec4f(w[3]), streamed, dv3);
        }
        {
          let w = workgroup_memory[(i + 2u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 2u) * HEAD + t];
          dv0 = fma(vec4f(w[0]), streamed, dv0);
          dv1 = fma(vec4f(w[1]), streamed, dv1);
          dv2 = fma(vec4f(w[2]), streamed, dv2);
          dv3 = fma(vec4f(w[3]), streamed, dv3);
        }
        {
          let w = workgroup_memory[(i + 3u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 3u) * HEAD + t];
          dv0 = fma(vec4f(w[0]), streamed, dv0);
          dv1 = fma(vec4f(w[1]), streamed, dv1);
          dv2 = fma(vec4f(w[2]), streamed, dv2);
          dv3 = fma(vec4f(w[3]), streamed, dv3);
        }
      }
    }
    var dp0 = vec4f(0.0);
    var dp1 = vec4f(0.0);
    var dp2 = vec4f(0.0);
    var dp3 = vec4f(0.0);
    for (var slice = 0u; slice < depth * HEAD / SLICE; slice += SLICE) {
      let column = slice + lane % SLICE;
      let tile0 = load_v(batch, head, first + lane / SLICE + 0u * FETCH, column);
      let streamed0 = load_do(batch, head, chunk + lane / SLICE + 0u * FETCH, column);
      let tile1 = load_v(batch, head, first + lane / SLICE + 1u * FETCH, column);
      let streamed1 = load_do(batch, head, chunk + lane / SLICE + 1u * FETCH, column);
      workgroupBarrier();
      let at = lane % SLICE * TILE_STRIDE + lane / SLICE;
      let streamed_at = STREAMED_AT + lane % SLICE * STREAMED_STRIDE + lane / SLICE;
      workgroup_memory[at + 0u * FETCH] = tile0;
      workgroup_memory[streamed_at + 0u * FETCH] = streamed0;
      workgroup_memory[at + 1u * FETCH] = tile1;
      workgroup_memory[streamed_at + 1u * FETCH] = streamed1;
      if (whole) {
        let streamed0 = load_do(batch, head, chunk + HALF_CHUNK + lane / SLICE + 0u * FETCH, column);
        let streamed1 = load_do(batch, head, chunk + HALF_CHUNK + lane / SLICE + 1u * FETCH, column);
        workgroup_memory[streamed_at + HALF_CHUNK + 0u * FETCH] = streamed0;
        workgroup_memory[streamed_at + HALF_CHUNK + 1u * FETCH] = streamed1;
        workgroupBarrier();
        for (var d = 0u; d < depth; d++) {
          let tile0 = workgroup_memory[d * TILE_STRIDE + 4u * g + 0u];
          let tile1 = workgroup_memory[d * TILE_STRIDE + 4u * g + 1u];
          let tile2 = workgroup_memory[d * TILE_STRIDE + 4u * g + 2u];
          let tile3 = workgroup_memory[d * TILE_STRIDE + 4u * g + 3u];
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + 0u * ROW_LANES];
            dp0[0] = add_dot(tile0, streamed, dp0[0]);
            dp0[1] = add_dot(tile1, streamed, dp0[1]);
            dp0[2] = add_dot(tile2, streamed, dp0[2]);
            dp0[3] = add_dot(tile3, streamed, dp0[3]);
          }
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + 1u * ROW_LANES];
            dp1[0] = add_dot(tile0, streamed, dp1[0]);
            dp1[1] = add_dot(tile1, streamed, dp1[1]);
            dp1[2] = add_dot(tile2, streamed, dp1[2]);
            dp1[3] = add_dot(tile3, streamed, dp1[3]);
          }
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + 2u * ROW_LANES];
            dp2[0] = add_dot(tile0, streamed, dp2[0]);
            dp2[1] = add_dot(tile1, streamed, dp2[1]);
            dp2[2] = add_dot(tile2, streamed, dp2[2]);
            dp2[3] = add_dot(tile3, streamed, dp2[3]);
          }
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + 3u * ROW_LANES];
            dp3[0] = add_dot(tile0, streamed, dp3[0]);
            dp3[1] = add_dot(tile1, streamed, dp3[1]);
            dp3[2] = add_dot(tile2, streamed, dp3[2]);
            dp3[3] = add_dot(tile3, streamed, dp3[3]);
          }
        }
      } else {
        workgroupBarrier();
        for (var d = 0u; d < depth; d++) {
          let tile0 = workgroup_memory[d * TILE_STRIDE + 4u * g + 0u];
          let tile1 = workgroup_memory[d * TILE_STRIDE + 4u * g + 1u];
          let tile2 = workgroup_memory[d * TILE_STRIDE + 4u * g + 2u];
          let tile3 = workgroup_memory[d * TILE_STRIDE + 4u * g + 3u];
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + 0u * ROW_LANES];
            dp0[0] = add_dot(tile0, streamed, dp0[0]);
            dp0[1] = add_dot(tile1, streamed, dp0[1]);
            dp0[2] = add_dot(tile2, streamed, dp0[2]);
            dp0[3] = add_dot(tile3, streamed, dp0[3]);
          }
          {
            let streamed = workgroup_memory[STREAMED_AT + d * STREAMED_STRIDE + t + 1u * ROW_LANES];
            dp1[0] = add_dot(tile0, streamed, dp1[0]);
            dp1[1] = add_dot(tile1, streamed, dp1[1]);
            dp1[2] = add_dot(tile2, streamed, dp1[2]);
            dp1[3] = add_dot(tile3, streamed, dp1[3]);
          }
        }
      }
    }
    let ds0 = p0 * (dp0 - delta[scalar_at0]) * SCALE;
    let ds1 = p1 * (dp1 - delta[scalar_at1]) * SCALE;
    let ds2 = p2 * (dp2 - delta[scalar_at2]) * SCALE;
    let ds3 = p3 * (dp3 - delta[scalar_at3]) * SCALE;
    if (chunk + 0u < end) {
      let row0 = load_q(batch, head, chunk + 0u + lane / HEAD + 0u * INVOCATIONS / HEAD, t);
      let row1 = load_q(batch, head, chunk + 0u + lane / HEAD + 1u * INVOCATIONS / HEAD, t);
      let row2 = load_q(batch, head, chunk + 0u + lane / HEAD + 2u * INVOCATIONS / HEAD, t);
      let row3 = load_q(batch, head, chunk + 0u + lane / HEAD + 3u * INVOCATIONS / HEAD, t);
      workgroupBarrier();
      workgroup_memory[t * WEIGHTS_STRIDE + g] = ds0;
      workgroup_memory[(t + ROW_LANES) * WEIGHTS_STRIDE + g] = ds1;
      workgroup_memory[ROWS_AT + lane + 0u * INVOCATIONS] = row0;
      workgroup_memory[ROWS_AT + lane + 1u * INVOCATIONS] = row1;
      workgroup_memory[ROWS_AT + lane + 2u * INVOCATIONS] = row2;
      workgroup_memory[ROWS_AT + lane + 3u * INVOCATIONS] = row3;
      workgroupBarrier();
      let count = min(depth * HALF_CHUNK / SLICE, end - chunk - 0u);
      for (var i = 0u; i < count; i += 4u) {
        {
          let w = workgroup_memory[(i + 0u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 0u) * HEAD + t];
          dk0 = fma(vec4f(w[0]), streamed, dk0);
          dk1 = fma(vec4f(w[1]), streamed, dk1);
          dk2 = fma(vec4f(w[2]), streamed, dk2);
          dk3 = fma(vec4f(w[3]), streamed, dk3);
        }
        {
          let w = workgroup_memory[(i + 1u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 1u) * HEAD + t];
          dk0 = fma(vec4f(w[0]), streamed, dk0);
          dk1 = fma(vec4f(w[1]), streamed, dk1);
          dk2 = fma(vec4f(w[2]), streamed, dk2);
          dk3 = fma(vec4f(w[3]), streamed, dk3);
        }
        {
          let w = workgroup_memory[(i + 2u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 2u) * HEAD + t];
          dk0 = fma(vec4f(w[0]), streamed, dk0);
          dk1 = fma(vec4f(w[1]), streamed, dk1);
          dk2 = fma(vec4f(w[2]), streamed, dk2);
          dk3 = fma(vec4f(w[3]), streamed, dk3);
        }
        {
          let w = workgroup_memory[(i + 3u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 3u) * HEAD + t];
          dk0 = fma(vec4f(w[0]), streamed, dk0);
          dk1 = fma(vec4f(w[1]), streamed, dk1);
          dk2 = fma(vec4f(w[2]), streamed, dk2);
          dk3 = fma(vec4f(w[3]), streamed, dk3);
        }
      }
    }
    if (chunk + HALF_CHUNK < end) {
      let row0 = load_q(batch, head, chunk + HALF_CHUNK + lane / HEAD + 0u * INVOCATIONS / HEAD, t);
      let row1 = load_q(batch, head, chunk + HALF_CHUNK + lane / HEAD + 1u * INVOCATIONS / HEAD, t);
      let row2 = load_q(batch, head, chunk + HALF_CHUNK + lane / HEAD + 2u * INVOCATIONS / HEAD, t);
      let row3 = load_q(batch, head, chunk + HALF_CHUNK + lane / HEAD + 3u * INVOCATIONS / HEAD, t);
      workgroupBarrier();
      workgroup_memory[t * WEIGHTS_STRIDE + g] = ds2;
      workgroup_memory[(t + ROW_LANES) * WEIGHTS_STRIDE + g] = ds3;
      workgroup_memory[ROWS_AT + lane + 0u * INVOCATIONS] = row0;
      workgroup_memory[ROWS_AT + lane + 1u * INVOCATIONS] = row1;
      workgroup_memory[ROWS_AT + lane + 2u * INVOCATIONS] = row2;
      workgroup_memory[ROWS_AT + lane + 3u * INVOCATIONS] = row3;
      workgroupBarrier();
      let count = min(depth * HALF_CHUNK / SLICE, end - chunk - HALF_CHUNK);
      for (var i = 0u; i < count; i += 4u) {
        {
          let w = workgroup_memory[(i + 0u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 0u) * HEAD + t];
          dk0 = fma(vec4f(w[0]), streamed, dk0);
          dk1 = fma(vec4f(w[1]), streamed, dk1);
          dk2 = fma(vec4f(w[2]), streamed, dk2);
          dk3 = fma(vec4f(w[3]), streamed, dk3);
        }
        {
          let w = workgroup_memory[(i + 1u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 1u) * HEAD + t];
          dk0 = fma(vec4f(w[0]), streamed, dk0);
          dk1 = fma(vec4f(w[1]), streamed, dk1);
          dk2 = fma(vec4f(w[2]), streamed, dk2);
          dk3 = fma(vec4f(w[3]), streamed, dk3);
        }
        {
          let w = workgroup_memory[(i + 2u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 2u) * HEAD + t];
          dk0 = fma(vec4f(w[0]), streamed, dk0);
          dk1 = fma(vec4f(w[1]), streamed, dk1);
          dk2 = fma(vec4f(w[2]), streamed, dk2);
          dk3 = fma(vec4f(w[3]), streamed, dk3);
        }
        {
          let w = workgroup_memory[(i + 3u) * WEIGHTS_STRIDE + g];
          let streamed = workgroup_memory[ROWS_AT + (i + 3u) * HEAD + t];
          dk0 = fma(vec4f(w[0]), streamed, dk0);
          dk1 = fma(vec4f(w[1]), streamed, dk1);
          dk2 = fma(vec4f(w[2]), streamed, dk2);
          dk3 = fma(vec4f(w[3]), streamed, dk3);
        }
      }
    }
  }
  if (rows[0] < uniforms.TOKENS) {
    store_d_qkv(qkv_row(batch, rows[0], 1u, head) + t, dk0);
    store_d_qkv(qkv_row(batch, rows[0], 2u, head) + t, dv0);
  }
  if (rows[1] < uniforms.TOKENS) {
    store_d_qkv(qkv_row(batch, rows[1], 1u, head) + t, dk1);
    store_d_qkv(qkv_row(batch, rows[1], 2u, head) + t, dv1);
  }
  if (rows[2] < uniforms.TOKENS) {
    store_d_qkv(qkv_row(batch, rows[2], 1u, head) + t, dk2);
    store_d_qkv(qkv_row(batch, rows[2], 2u, head) + t, dv2);
  }
  if (rows[3] < uniforms.TOKENS) {
    store_d_qkv(qkv_row(batch, rows[3], 1u, head) + t, dk3);
    store_d_qkv(qkv_row(batch, rows[3], 2u, head) + t, dv3);
  }
}
