/**
 * Telemetry names the rollout that the answering version is here for, and its offer: those of the last attempt at it. So says the journal,
 * also after a restart of the agent, and for a version that was here before the rollout.
 */
import type { ServedModels } from '../serving/served-model.ts';
import type { AnsweredOffer } from '../telemetry/observation.ts';
import type { Attempt, UpdateRecord } from './update-record.ts';

export function answerForRollout(
  served: Pick<ServedModels, 'serving' | 'answerFor'>,
  model: string,
  { attempt }: Pick<UpdateRecord, 'attempt'>,
): void {
  const manifest = served.serving(model);
  if (manifest === undefined) return;
  served.answerFor(model, manifest, attempt?.manifest === manifest ? offerOf(attempt) : undefined);
}

/** What an attempt is made for; undefined when no rollout asked for it. */
export function offerOf({ rollout, offer }: Pick<Attempt, 'rollout' | 'offer'>): AnsweredOffer | undefined {
  return rollout === undefined ? undefined : { rollout, ...(offer !== undefined && { offer }) };
}
