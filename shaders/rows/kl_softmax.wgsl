// KL divergence between softmax(t / T) (teacher) and softmax(s / T) (student) by rows of classes, one workgroup a row, and what its
// gradient needs, from one reading. With lt, ls the log-softmaxes, p = exp(lt), q = exp(ls):
//   terms[row] = SCALE KL, KL = sum of p (lt - ls), SCALE = T^2 / (ROWS WIDTH); reduce.wgsl adds them
//   dstudent   = SCALE / T (q - p)
//   dteacher   = SCALE / T p (lt - ls - KL)
// A class whose p underflows to 0 contributes 0.
//
// Bindings: teacher, student [ROWS, WIDTH] logits read; terms [ROWS], dstudent, dteacher [ROWS, WIDTH] written; float32
// Sizes: ROWS, WIDTH, TEMPERATURE, SCALE
// Constants: STUDENT, TEACHER: which gradients are written; HOLDS: a row stays in registers, HELD classes an invocation, else it is
//   read as often as it is needed; and those of row_reduction.wgsl

//#include row_reduction
//#include nan

// In every vec2f the teacher comes first.
fn pair(i: u32) -> vec2f { return vec2f(teacher[i], student[i]); }

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
  //#include row_builtins
) {
  //#include row_enter
  let row = group.x + group.y * groups.x;
  if (row >= ROWS) { return; }
  let base = row * WIDTH;
  var largest = pair(base);
  var sums = vec2f(0.0);
  var kl = 0.0;
  //#if HOLDS
  //#unroll i HELD
  var l$i = largest;
  if (lane + $iu * WORKGROUP < WIDTH) { l$i = pair(base + lane + $iu * WORKGROUP); }
  //#end
  //#unroll i HELD
  largest = max(largest, l$i);
  //#end
  largest = workgroup_max2(largest, lane);
  //#unroll i HELD
  l$i = (l$i - largest) / TEMPERATURE;
  if (lane + $iu * WORKGROUP < WIDTH) { sums += exp_of_both(l$i); }
  //#end
  let totals = workgroup_sum2(sums, lane);
  let logs = vec2f(log_of(totals.x), log_of(totals.y));
  //#unroll i HELD
  l$i -= logs;
  if (lane + $iu * WORKGROUP < WIDTH) { kl += term(l$i); }
  //#end
  kl = workgroup_sum(kl, lane);
  //#unroll i HELD
  if (lane + $iu * WORKGROUP < WIDTH) { store_gradients(base + lane + $iu * WORKGROUP, l$i, kl); }
  //#end
  //#else
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) { largest = max(largest, pair(i)); }
  largest = workgroup_max2(largest, lane);
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) {
    sums += exp_of_both((pair(i) - largest) / TEMPERATURE);
  }
  let totals = workgroup_sum2(sums, lane);
  let logs = vec2f(log_of(totals.x), log_of(totals.y));
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) {
    kl += term((pair(i) - largest) / TEMPERATURE - logs);
  }
  kl = workgroup_sum(kl, lane);
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) {
    store_gradients(i, (pair(i) - largest) / TEMPERATURE - logs, kl);
  }
  //#endif
  if (lane == 0u) { terms[row] = SCALE * kl; }
}

fn term(l: vec2f) -> f32 {
  let p = exp_of(l.x);
  return select(0.0, p * (l.x - l.y), (p > 0.0) | is_nan(p));
}

fn store_gradients(i: u32, l: vec2f, kl: f32) {
  let p = exp_of(l.x);
  //#if STUDENT
  dstudent[i] = SCALE / TEMPERATURE * (exp_of(l.y) - p);
  //#endif
  //#if TEACHER
  dteacher[i] = SCALE / TEMPERATURE * select(0.0, p * (l.x - l.y - kl), (p > 0.0) | is_nan(p));
  //#endif
}
