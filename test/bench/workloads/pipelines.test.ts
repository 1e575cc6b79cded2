import { describe, expect, it } from 'vitest';
import { modelNamed } from '../../../bench/workloads/models.js';
import { countPipelines, DESCRIBED } from '../../../bench/workloads/pipelines.js';
import { stepRequests } from '../../../bench/workloads/steps.js';
import type { Capabilities } from '../../../engine/capabilities.js';
import { operationTrials } from '../../../engine/gpu/operationTrials.js';
import { type PlanRequest, Schedule } from '../../../engine/gpu/schedule.js';
import { kernelId } from '../../../engine/kernels/kernelSource.js';
import { defaultTeacher } from '../../../models/promptkd/shared/defaults.js';
import { frozenTextRequest } from '../../../models/promptkd/stage1/plan.js';

/** Both stages at the shapes of real models. */
function requestsOf(capabilities: Capabilities, precision: 'f16' | 'f32'): PlanRequest[] {
  const [large, small] = [modelNamed('ViT-L/14'), modelNamed('ViT-B/16')];
  const { teacher, student } = stepRequests(
    large,
    small,
    { classes: 100, batch: 8, precision },
    capabilities,
  );
  const text = frozenTextRequest(large, defaultTeacher(large, { precision }), { classes: 100, capabilities });
  return [text, teacher, student.train, student.evaluate];
}

describe('the pipelines of a command', () => {
  // A GPU's compiler takes some 90 ms for each, one after the other. Two look at what is trained (engine/train/magnitude.ts).
  it('stay as few as they are', () => {
    const most: Record<string, number> = {};
    for (const { command, dtype, pipelines } of countPipelines())
      most[`${command} ${dtype}`] = Math.max(most[`${command} ${dtype}`] ?? 0, pipelines);
    expect(most['distill f16']).toBeLessThanOrEqual(65);
    expect(most['distill f32']).toBeLessThanOrEqual(54);
    expect(most['teacher f16']).toBeLessThanOrEqual(76);
    expect(most['teacher f32']).toBeLessThanOrEqual(59);
    expect(most['demo f16']).toBeLessThanOrEqual(70);
    expect(most['demo f32']).toBeLessThanOrEqual(60);
  });

  for (const [name, capabilities] of Object.entries(DESCRIBED))
    for (const precision of ['f16', 'f32'] as const)
      it(`are all tried before they are used, at small sizes with the same text: ${name}, ${precision}`, () => {
        const operations = operationTrials(capabilities);
        for (const request of requestsOf(capabilities, precision)) {
          const { picks, dispatches } = new Schedule(request, capabilities);
          const tried = new Set<string>(operations.keys());
          for (const { tunable, candidate } of picks.values()) {
            const id = kernelId(candidate.dispatch(tunable.work), capabilities);
            const [small] = tunable.trial(candidate).dispatches;
            expect(kernelId(small!, capabilities), `${tunable.key}: ${candidate.name}`).toBe(id);
            tried.add(id);
          }
          const untried = dispatches.filter((dispatch) => !tried.has(kernelId(dispatch, capabilities)));
          expect(untried.map(({ shader, entry }) => `${shader} ${entry}`)).toEqual([]);
        }
      });
});
