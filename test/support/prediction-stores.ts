/** Stores of predictions, and the versions that tests keep predictions of. */

import { PredictionLog } from '../../agent/serving/prediction-log.ts';
import type { ServedVersion } from '../../agent/telemetry/observation.ts';
import { PredictionStore, type PredictionStoreProps } from '../../agent/telemetry/prediction-store.ts';
import { LimitedLog } from '../../platform/limited-log.ts';
import { makeLogger } from '../../platform/logger.ts';
import { limits } from '../../shared/base/limits.ts';
import type { LabelRule, ModelManifest } from '../../shared/manifest/model-manifest.ts';
import { ManualClock } from './manual-clock.ts';

const logger = makeLogger('test', 'silent');

export function logInMemory(): PredictionLog {
  const clock = new ManualClock();
  const store = PredictionStore.inMemory({ clock, logger, ageMaxMs: limits.predictionsKeptMsDefault });
  return logOver(store);
}

export function logOver(store: PredictionStore): PredictionLog {
  return new PredictionLog(store, new LimitedLog({ logger, monotonic: () => 0 }));
}

export function storeProps(folder: string, clock: ManualClock): PredictionStoreProps {
  return {
    folder,
    clock,
    logger,
    bytesMax: limits.predictionsMaxBytesDefault,
    ageMaxMs: limits.predictionsKeptMsDefault,
  };
}

export interface LabelledVersion {
  readonly version?: string;
  readonly label?: LabelRule;
  readonly classes?: string[];
  readonly rollout?: string;
}

/** A version of the model `m`; without a rule, labels are numbers. */
export function labelledVersion({
  version = '1.0.0',
  label = { output: 'y', kind: 'regression' },
  classes,
  rollout,
}: LabelledVersion = {}): ServedVersion {
  const face = { inputs: [], outputs: [], ...(classes && { classes }) };
  const manifest = { interface: face, label } as unknown as ModelManifest;
  const manifestSha256 = version.replaceAll(/\D/g, '').padEnd(64, '0');
  return { model: 'm', version, manifestSha256, manifest, ...(rollout && { rollout, offer: 1 }) };
}
