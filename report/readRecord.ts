/** Reads from a run's folder what a report shows of its training. */
import type { Platform } from '../models/platform.js';
import { LineFile, type RunRecord } from '../models/runs/lineFile.js';
import { CONFIG, METRICS, TIMING } from '../models/runs/runFolder.js';

/** The settings, metrics and timing of a run; undefined where `path` is no run folder. */
export async function readRecord(platform: Platform, path: string): Promise<RunRecord | undefined> {
  const config = platform.join(path, CONFIG);
  if (!(await platform.stat(config))) return undefined;
  const lines = (name: string) => LineFile.parse(platform, platform.join(path, name));
  return {
    config: await platform.readText(config),
    metrics: await lines(METRICS),
    timing: await lines(TIMING),
  };
}
