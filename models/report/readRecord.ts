/** Reads from a run's folder what a report shows of its training. */
import type { Platform } from '../platform.js';
import { LineFile } from '../runs/lineFile.js';
import type { RunRecord } from './runReport.js';

const FILES = { config: 'config.yaml', metrics: 'metrics.jsonl', timing: 'timing.jsonl' } as const;

/** The settings, metrics and timing of a run; undefined where `path` is no run folder. */
export async function readRecord(platform: Platform, path: string): Promise<RunRecord | undefined> {
  const config = platform.join(path, FILES.config);
  if (!(await platform.stat(config))) return undefined;
  const lines = (name: string) => LineFile.parse(platform, platform.join(path, name));
  return {
    config: await platform.readText(config),
    metrics: await lines(FILES.metrics),
    timing: await lines(FILES.timing),
  };
}
