/** Run by check-shaders.mjs under Deno: compiles the variants in one JSON file and writes the results to another. */
/* global Deno */
const [input, output] = Deno.args;
const variants = JSON.parse(await Deno.readTextFile(input));
const finish = (report) => Deno.writeTextFile(output, JSON.stringify(report));

const adapter = await navigator.gpu?.requestAdapter();
if (!adapter) {
  await finish({ reason: 'Deno finds no WebGPU adapter (install a Vulkan driver, such as lavapipe)' });
  Deno.exit(0);
}
const f16 = adapter.features.has('shader-f16');
const requiredLimits = {};
for (const limit of [
  'maxStorageBuffersPerShaderStage',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
])
  requiredLimits[limit] = adapter.limits[limit];
const device = await adapter.requestDevice({ requiredFeatures: f16 ? ['shader-f16'] : [], requiredLimits });

const results = [];
for (const { name, code, entry } of variants) {
  if (!f16 && /\benable\s+f16\b/.test(code)) {
    results.push({ name, skipped: `${adapter.info.description} has no f16` });
    continue;
  }
  device.pushErrorScope('validation');
  let error;
  try {
    const module = device.createShaderModule({ label: name, code });
    device.createComputePipeline({ label: name, layout: 'auto', compute: { module, entryPoint: entry } });
  } catch (thrown) {
    error = thrown.message;
  }
  const refused = await device.popErrorScope();
  results.push({ name, error: refused?.message ?? error });
}
await finish({ results });
Deno.exit(0);
