/** What an attempt tells the hub on entering its state. Pure; under the same id after a restart, so twice does no harm. */
import type { UpdateEvent } from '../../shared/protocol/update-event.ts';
import type { Attempt, UpdateRecord } from './update-record.ts';

export function attemptEvent({ model, stream }: UpdateRecord, attempt: Attempt): UpdateEvent {
  return {
    v: 1,
    id: `${stream}-${attempt.event}`,
    at: new Date(attempt.since).toISOString(),
    model,
    version: attempt.version,
    manifest: attempt.manifest,
    ...(attempt.rollout !== undefined && { rollout: attempt.rollout }),
    sequence: attempt.sequence,
    state: attempt.state,
    ...(attempt.fault && { fault: attempt.fault }),
    ...(attempt.facts && { facts: attempt.facts }),
  };
}
