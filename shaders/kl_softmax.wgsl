// KL divergence between softmax(t / T) (teacher) and softmax(s / T) (student), ROWS rows of WIDTH classes, one
// workgroup a row. With lt, ls the log-softmaxes, p = exp(lt), q = exp(ls):
//   terms[row] = SCALE KL, KL = sum of p (lt - ls), SCALE = T^2 / (ROWS WIDTH); shaders/reduce.wgsl adds them
//   student gradient = upstream SCALE / T (q - p)
//   teacher gradient = upstream SCALE / T p (lt - ls - KL)
// A class whose p underflows to 0 contributes 0.

//#include row_reduction

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= ROWS) { return; }
  let base = row * WIDTH;
  // In every vec2f the teacher comes first.
  var largest = vec2f(teacher[base], student[base]);
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) {
    largest = max(largest, vec2f(teacher[i], student[i]));
  }
  largest = workgroup_max2(largest, lane);
  var sums = vec2f(0.0);
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) {
    sums += exp((vec2f(teacher[i], student[i]) - largest) / TEMPERATURE);
  }
  let logs = log(workgroup_sum2(sums, lane));

  //#if NEEDS_KL
  var kl = 0.0;
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) {
    let l = (vec2f(teacher[i], student[i]) - largest) / TEMPERATURE - logs;
    let p = exp(l.x);
    if (p > 0.0) { kl += p * (l.x - l.y); }
  }
  kl = workgroup_sum(kl, lane);
  //#endif

  //#if GRADIENT
  let factor = upstream[0] * SCALE / TEMPERATURE;
  for (var i = base + lane; i < base + WIDTH; i += WORKGROUP) {
    let l = (vec2f(teacher[i], student[i]) - largest) / TEMPERATURE - logs;
    let p = exp(l.x);
    //#if STUDENT
    dstudent[i] = factor * (exp(l.y) - p);
    //#endif
    //#if TEACHER
    dteacher[i] = factor * select(0.0, p * (l.x - l.y - kl), p > 0.0);
    //#endif
  }
  //#else
  if (lane == 0u) { terms[row] = SCALE * kl; }
  //#endif
}
