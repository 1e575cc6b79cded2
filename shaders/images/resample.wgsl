// Pillow's bicubic resize of a whole batch, in Pillow's own fixed-point arithmetic, so that bytes are equal:
//   middle[y, x] = clip((2^21 + sum over t of weight[x, t] * source[y, start[x] + t]) >> 22)      entry `across`
//   pixel[y, x]  = clip((2^21 + sum over t of weight[y, t] * middle[start[y] + t, x]) >> 22)      entry `down`
//   result[slot, channel, y, x] = (pixel / 255 - MEAN) / DEVIATION, as the bits of a float32
// The host makes the tables (models/images/resample.ts is the CPU reference); offset, centre crop and mirroring are
// already in them. Tables hold SIZE entries of taps + 2 words: start, count, weights.
// One invocation a pixel (x, y) of image z; images of a batch differ in size, so surplus invocations return.
// Constants: SIZE: edge of the result in pixels; MEAN, DEVIATION: of the channels, as CLIP normalises them.

struct Image {
  source: u32,       // byte of the first pixel; pixels are three bytes, rows follow each other without gaps
  width: u32,        // of the source, in pixels
  rows: u32,
  middle: u32,       // pixel of its first row in the buffer between the passes
  across: u32,       // word of its first table entry
  across_taps: u32,
  down: u32,
  down_taps: u32,
  slot: u32,         // which image of the result
}

@group(0) @binding(0) var<storage, read> images: array<Image>;
@group(0) @binding(1) var<storage, read> table: array<i32>;
@group(0) @binding(2) var<storage, read> source: array<u32>;        // `across`: packed bytes; `down`: middle
@group(0) @binding(3) var<storage, read_write> result: array<u32>;  // `across`: middle, RGB in a word; `down`: result

const HALF = vec3i(2097152);

fn unpack(word: u32) -> vec3i {
  return vec3i(vec3u(word, word >> 8u, word >> 16u) & vec3u(255u));
}

// The three bytes from `byte` on, which may reach into the next word (the host leaves one to spare at the end).
fn packed_pixel(byte: u32) -> vec3i {
  let shift = (byte & 3u) * 8u;
  let low = source[byte / 4u] >> shift;
  let high = source[byte / 4u + 1u] << ((32u - shift) & 31u);
  return unpack(select(low, low | high, shift > 8u));
}

fn to_byte(sum: vec3i) -> vec3u {
  return vec3u(clamp(sum >> vec3u(22u), vec3i(0), vec3i(255)));
}

@compute @workgroup_size(32, 4)
fn across(@builtin(global_invocation_id) id: vec3u) {
  let image = images[id.z];
  if (id.x >= SIZE || id.y >= image.rows) {
    return;
  }
  let entry = image.across + id.x * (image.across_taps + 2u);
  let first = image.source + (id.y * image.width + u32(table[entry])) * 3u;
  let count = u32(table[entry + 1u]);
  var sum = HALF;
  for (var t = 0u; t < count; t++) {
    sum += table[entry + 2u + t] * packed_pixel(first + t * 3u);
  }
  let pixel = to_byte(sum);
  result[image.middle + id.y * SIZE + id.x] = pixel.x | (pixel.y << 8u) | (pixel.z << 16u);
}

@compute @workgroup_size(32, 4)
fn down(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= SIZE || id.y >= SIZE) {
    return;
  }
  let image = images[id.z];
  let entry = image.down + id.y * (image.down_taps + 2u);
  let first = image.middle + u32(table[entry]) * SIZE + id.x;
  let count = u32(table[entry + 1u]);
  var sum = HALF;
  for (var t = 0u; t < count; t++) {
    sum += table[entry + 2u + t] * unpack(source[first + t * SIZE]);
  }
  let value = bitcast<vec3u>((vec3f(to_byte(sum)) / 255.0 - MEAN) / DEVIATION);
  let at = (image.slot * 3u * SIZE + id.y) * SIZE + id.x;
  result[at] = value.x;
  result[at + SIZE * SIZE] = value.y;
  result[at + 2u * SIZE * SIZE] = value.z;
}
