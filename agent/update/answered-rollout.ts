/**
 * Telemetry names the rollout that the answering version is here for: that of the last attempt at it. So says the journal,
 * also after a restart of the agent, and for a version that was here before the rollout.
 */
import type { ServedModels } from '../serving/served-model.ts';
import type { UpdateRecord } from './update-record.ts';

export function answerForRollout(
  served: Pick<ServedModels, 'serving' | 'answerFor'>,
  model: string,
  { attempt }: Pick<UpdateRecord, 'attempt'>,
): void {
  const manifest = served.serving(model);
  if (manifest === undefined) return;
  served.answerFor(model, manifest, attempt?.manifest === manifest ? attempt.rollout : undefined);
}
