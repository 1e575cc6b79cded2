import { expect, test } from 'vitest';
import { nodePlatform } from '../../../cli/platform/node.js';
import { loadCheckpoint } from '../../../models/checkpoints/load.js';
import { describeWithShared, sharedFolder } from '../../helpers/shared.js';

const folder = 'goldens/formats';
const open = (name: string) => loadCheckpoint(nodePlatform, `${sharedFolder}/${folder}/${name}`);

describeWithShared(folder, 'every form of one CLIP', () => {
  test.each([
    ['huggingface', 'safetensors, Hugging Face names'],
    ['openai.torchscript.pt', 'TorchScript archive, OpenAI names'],
    ['openai.state_dict.pt', 'PyTorch state dict, OpenAI names'],
    ['teacher.pth.tar', 'PyTorch trainer checkpoint, PromptSRC names'],
  ])('%s holds the CLIP of openai.safetensors', async (name, format) => {
    const expected = await open('openai.safetensors');
    const found = await open(name);
    expect(found.format).toBe(format);
    expect({ ...found.config, text: expected.config.text }).toEqual(expected.config);
    const isTeacher = name === 'teacher.pth.tar';
    const names = [...expected.tensors.keys()].filter(
      (key) => !isTeacher || key !== 'token_embedding.weight',
    );
    expect([...found.tensors.keys()].sort()).toEqual(names.sort());
    for (const key of names) {
      const [a, b] = [await expected.tensors.get(key)!.read(), await found.tensors.get(key)!.read()];
      // Comparing buffers is much faster than expect().toEqual on long arrays.
      expect([key, Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer))]).toEqual([key, 0]);
    }
    if (isTeacher) {
      expect(found.prompts?.text.map(({ shape }) => shape)).toEqual([
        [4, 64],
        [4, 64],
      ]);
      expect(found.prompts?.vision.map(({ shape }) => shape)).toEqual([
        [4, 128],
        [4, 128],
      ]);
      expect(found.metadata).toEqual({ epoch: '20', val_result: '91.5' });
    }
  });
});
