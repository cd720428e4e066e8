/** One pass over the devices of a requested rollout: which versions they run, and what they object to. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { limits } from '../../shared/base/limits.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import type { NamedDevice } from './device-names.ts';
import { type ObjectionKind, objectionsOf } from './device-objections.ts';
import type { Director } from './director.ts';
import type { FleetReport, RolloutFleet } from './rollout-evidence.ts';

export interface Named {
  readonly devices: number;
  /** The first of them, at most `limits.devicesNamedMax`. */
  readonly examples: readonly NamedDevice[];
}

export interface TargetSurvey {
  /** Every device reports that it runs the version. */
  readonly runsEverywhere: boolean;
  /** By version that a device runs, or is to run. */
  readonly versions: ReadonlyMap<string, Named>;
  readonly objections: ReadonlyMap<ObjectionKind, Named>;
}

export interface SurveySources {
  readonly fleet: Pick<RolloutFleet, 'reports'>;
  readonly director: Pick<Director, 'current' | 'modelsBeside'>;
}

/** Devices per batch: reading and parsing more at once would block everything else. */
const PAGE = 200;

export async function surveyTarget(
  version: PublishedVersion,
  { group, now }: { readonly group: string | undefined; readonly now: number },
  { fleet, director }: SurveySources,
): Promise<TargetSurvey> {
  const versions = new Map<string, Noted>();
  const objections = new Map<ObjectionKind, Noted>();
  let runsEverywhere = true;
  for (let after = ''; ; ) {
    const page = await fleet.reports({ ...(group === undefined ? {} : { group }), after, limit: PAGE });
    const ids = page.map((device) => device.id);
    const assigned = await director.current(version.model, ids);
    const beside = await director.modelsBeside(version.model, ids);
    for (const device of page) {
      const running = runningVersion(device, version.model);
      if (running !== version.version) runsEverywhere = false;
      for (const one of new Set([running, assigned.get(device.id)?.version])) {
        if (one !== undefined) note(versions, one, device.id);
      }
      const found = objectionsOf(device, { version, otherModels: beside.get(device.id) ?? 0, now });
      for (const { kind, detail } of found) note(objections, kind, device.id, detail);
    }
    if (page.length < PAGE) return { runsEverywhere, versions, objections };
    after = page.at(-1)!.id;
    await nextTurn();
  }
}

/** The version that answers the device's requests, as reported. */
function runningVersion({ reported }: FleetReport, model: string): string | undefined {
  return reported?.models.find((entry) => entry.model === model)?.active?.version;
}

interface Noted {
  devices: number;
  readonly examples: NamedDevice[];
}

function note<K>(found: Map<K, Noted>, key: K, id: string, detail?: string): void {
  const named = found.get(key) ?? { devices: 0, examples: [] };
  found.set(key, named);
  named.devices += 1;
  if (named.examples.length < limits.devicesNamedMax) named.examples.push({ id, detail });
}
