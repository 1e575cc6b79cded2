/** `bench pipelines`: how many pipelines a command compiles, which on a GPU decides the time to its first step. */

import { markdownTable } from './table.js';
import { countPipelines, type PipelineRow } from './workloads/pipelines.js';

/** Runs `bench pipelines`. It needs no adapter and stores nothing, as the result is the same everywhere. */
export const runPipelines = async (): Promise<string> => renderPipelines(countPipelines());

const renderPipelines = (rows: readonly PipelineRow[]): string =>
  markdownTable({
    head: ['command', 'models', 'adapter', 'precision', 'phases', 'pipelines', 'dispatches'],
    text: 5,
    rows: rows.map(({ command, models, adapter, dtype, phases, pipelines, dispatches }) => [
      ...[command, models, adapter, dtype],
      phases.map(({ name, pipelines: count }) => `${name} ${count}`).join(', '),
      String(pipelines),
      String(dispatches),
    ]),
  });
