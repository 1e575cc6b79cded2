/** A drawing under a random camera and in slightly other inks, as normalised planes: cheap enough for the host. */
import { IMAGE_DEVIATION, IMAGE_MEAN } from '../../models/images/preprocess.js';
import type { RgbImage } from '../../models/images/types.js';
import type { Random } from '../../models/random.js';

/** Maps pixels of the result to pixels of the drawing, and ink (255 - colour) to ink. */
export interface View {
  /** x = map[0] + map[1] i + map[2] j and y = map[3] + map[4] i + map[5] j for column i and row j. */
  readonly map: readonly number[];
  /** Row-major 3 x 3: of ink rather than of colour, so that white paper stays white. */
  readonly inks: readonly number[];
}

/** How many pixels wide the result is, and of what. */
interface Sizes {
  readonly size: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Zoom (between `cropEdge` and a little more than the whole drawing), shift, a small turn, mirroring; other strength,
 * saturation and hue of the inks.
 */
export function randomView(random: Random, { size, width, height }: Sizes, cropEdge: number): View {
  const zoom = random.uniform(cropEdge, 1.15);
  const stretch = Math.exp(random.uniform(-0.15, 0.15));
  const angle = random.uniform(-0.2, 0.2);
  const mirror = random.random() < 0.5 ? -1 : 1;
  const [stepX, stepY] = [((zoom * stretch * width) / size) * mirror, ((zoom / stretch) * height) / size];
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [a, b, c, d] = [cos * stepX, -sin * stepY, sin * stepX, cos * stepY];
  // Zoomed in, the window may go as far as the drawing does; zoomed out, a little beyond.
  const slack = Math.abs(1 - zoom) / 2 + 0.04;
  const centre = (size - 1) / 2;
  const x = width * (0.5 + random.uniform(-slack, slack)) - 0.5 - (a + b) * centre;
  const y = height * (0.5 + random.uniform(-slack, slack)) - 0.5 - (c + d) * centre;
  return { map: [x, a, b, y, c, d], inks: randomInks(random) };
}

/** A turn of the hue about grey, then of saturation (at times down to none), then of strength. */
function randomInks(random: Random): number[] {
  const hue = random.uniform(-0.4, 0.4);
  const saturation = random.random() < 0.1 ? 0 : random.uniform(0.5, 1.4);
  const strength = random.uniform(0.7, 1.3);
  // Rodrigues' rotation about (1, 1, 1) / sqrt(3).
  const [same, next, last] = [0, 1, 2].map((k) => {
    const grey = (1 - Math.cos(hue)) / 3;
    if (k === 0) return Math.cos(hue) + grey;
    return grey + ((k === 1 ? -1 : 1) * Math.sin(hue)) / Math.sqrt(3);
  }) as [number, number, number];
  const turned = [same, next, last, last, same, next, next, last, same];
  return turned.map((value) => strength * (saturation * value + (1 - saturation) / 3));
}

/** Writes the view as float32 planes `[3, size, size]` into `target` from `at`; what lies outside the drawing is white. */
export function render(
  image: RgbImage,
  { map, inks }: View,
  size: number,
  target: Float32Array,
  at: number,
): void {
  const { width, height, data } = image;
  const [x0, xi, xj, y0, yi, yj] = map as [number, number, number, number, number, number];
  const plane = size * size;
  const ink = [0, 0, 0];
  for (let j = 0; j < size; j++)
    for (let i = 0; i < size; i++) {
      const x = x0 + xi * i + xj * j;
      const y = y0 + yi * i + yj * j;
      const [left, top] = [Math.floor(x), Math.floor(y)];
      ink.fill(0);
      for (let corner = 0; corner < 4; corner++) {
        const column = left + (corner & 1);
        const row = top + (corner >> 1);
        if (column < 0 || row < 0 || column >= width || row >= height) continue;
        const weight = (1 - Math.abs(x - column)) * (1 - Math.abs(y - row));
        const from = (row * width + column) * 3;
        for (let c = 0; c < 3; c++) ink[c]! += weight * (255 - data[from + c]!);
      }
      for (let c = 0; c < 3; c++) {
        const mixed = inks[c * 3]! * ink[0]! + inks[c * 3 + 1]! * ink[1]! + inks[c * 3 + 2]! * ink[2]!;
        const colour = Math.max(0, Math.min(1, 1 - mixed / 255));
        target[at + c * plane + j * size + i] = (colour - IMAGE_MEAN[c]!) / IMAGE_DEVIATION[c]!;
      }
    }
}
