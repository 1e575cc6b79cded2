/** The losses of stage 1's methods, on a CLIP of two blocks. */
import { describe, expect, it } from 'vitest';
import { nodeOf } from '../../../../engine/graph/op.js';
import { evaluate } from '../../../../engine/graph/reference.js';
import { constant } from '../../../../engine/graph/tensor.js';
import { teacherGraph } from '../../../../models/promptkd/stage1/step.js';
import { TestRandom } from '../../../helpers/check.js';
import { randomClip, textInputs } from '../../../helpers/randomClip.js';

const [BATCH, START, END] = [3, 38, 39];
const sequences = [
  [START, 1, 1, 5, END],
  [START, 1, 1, 9, 7, END],
].map((tokens) => Int32Array.from({ length: 16 }, (_, i) => tokens[i] ?? 0));
const options = { batch: BATCH, momentum: 0.9, weightDecay: 0, textWeight: 25, imageWeight: 10 };
const size = { embed: 5, width: 64, layers: 2, textLayers: 2, patch: 4, resolution: 8 };

function setUp(seed: number) {
  const random = new TestRandom(seed);
  const clip = randomClip((count, scale = 1) => random.array(count, 1.7 * scale), size);
  const prompt = (label: string) => random.variable([2, 64], label, 0.2);
  const text = [prompt('text.0'), prompt('text.1')];
  const vision = [prompt('vision.0'), prompt('vision.1')];
  const classes = textInputs(clip, sequences);
  const frozenText = constant(random.array(2 * size.embed), [2, size.embed], 'frozen text');
  const images = random.array(BATCH * 3 * 64);
  return { random, clip, text, vision, classes, frozenText, images };
}

const labels = Float32Array.of(1, 0, 1);

describe('the loss of stage 1', () => {
  it('is cross-entropy alone for ivlp, and the same cross-entropy with three more terms for promptsrc', () => {
    const { clip, text, vision, classes, frozenText, images } = setUp(1);
    const prompts = { text, vision };
    const ivlp = teacherGraph(clip, prompts, classes, { ...options, method: 'ivlp' });
    const source = teacherGraph(clip, prompts, { ...classes, frozenText }, options);
    expect(Object.keys(ivlp.parts)).toEqual(['ce']);
    expect(ivlp.parameters).toEqual([...text, ...vision]);
    const losses = (graph: typeof ivlp) => {
      const leaves = [graph.loss, ...Object.values(graph.parts)];
      const feeds = new Map([
        [graph.images, images],
        [graph.labels, labels],
      ]);
      const found = evaluate(leaves, feeds);
      return leaves.map((leaf) => found.get(leaf)![0]!);
    };
    const [total, ce] = losses(ivlp);
    expect(total).toBe(ce);
    const [all, first, ...terms] = losses(source);
    expect(first).toBe(ce);
    expect(terms).toHaveLength(3);
    for (const term of terms) expect(term).toBeGreaterThan(0);
    expect(all).toBeCloseTo(
      terms.reduce((sum, term) => sum + term, first!),
      9,
    );
  });

  it('reaches the context alone for coop, whose image features may be given', () => {
    const { random, clip, text, classes, images } = setUp(2);
    const prompts = { text: text.slice(0, 1), vision: [] };
    const computed = teacherGraph(clip, prompts, classes, { ...options, method: 'coop' });
    expect(computed.parameters).toEqual([text[0]]);
    const given = teacherGraph(clip, prompts, classes, { ...options, method: 'coop', views: 1 });
    // Unit rows, and cross-entropy of their cosines with the classes in loops.
    const features = random.array(BATCH * size.embed);
    for (let b = 0; b < BATCH; b++) {
      const row = features.subarray(b * size.embed, (b + 1) * size.embed);
      row.set(row.map((v) => v / Math.hypot(...row)));
    }
    const feeds = new Map([
      [given.frozenFeatures!, features],
      [given.labels, labels],
    ]);
    const found = evaluate([given.loss, given.gradients[0]!], feeds);
    expect(Math.hypot(...found.get(given.gradients[0]!)!)).toBeGreaterThan(1e-3);
    const withImages = evaluate(
      [computed.loss],
      new Map([
        [computed.images, images],
        [computed.labels, labels],
      ]),
    );
    expect(withImages.get(computed.loss)![0]).not.toBe(found.get(given.loss)![0]);

    const cross = nodeOf(given.parts.ce)!.inputs[0]!;
    const logits = evaluate([cross], feeds).get(cross)!;
    let expected = 0;
    for (let b = 0; b < BATCH; b++) {
      const [p, q] = [logits[2 * b]!, logits[2 * b + 1]!];
      expected += Math.log(Math.exp(p) + Math.exp(q)) - (labels[b] === 0 ? p : q);
    }
    expect(found.get(given.loss)![0]).toBeCloseTo(expected / BATCH, 9);
  });

  it('asks for the frozen text features of promptsrc', () => {
    const { clip, text, vision, classes } = setUp(3);
    expect(() => teacherGraph(clip, { text, vision }, classes, options)).toThrow(/frozen text features/);
  });
});
