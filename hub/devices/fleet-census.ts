/**
 * How many devices have each version, by what they last reported, and how many report conditions: kept up to date with each
 * report, so that a scrape costs what there is to show and not what the fleet reports.
 */
import type { ReportedState } from '../../shared/protocol/reported-state.ts';

/** Versions of a model on devices: `active`, or the state of the update that was tried last and is not committed. */
export interface VersionCount {
  readonly model: string;
  readonly version: string;
  readonly state: string;
  readonly devices: number;
}

const severities = ['warning', 'error'] as const;
export type Severity = (typeof severities)[number];

export class FleetCensus {
  /** What each device counts under. The texts are those of `#counts`: ten thousand devices share them. */
  readonly #byDevice = new Map<string, readonly string[]>();
  readonly #counts = new Map<string, { readonly key: string; devices: number }>();

  /** Whether a report of the device is counted. */
  has(deviceId: string): boolean {
    return this.#byDevice.has(deviceId);
  }

  /** The device counts by this report from now on, and no longer by the one before. */
  reported(deviceId: string, { models, conditions }: Pick<ReportedState, 'models' | 'conditions'>): void {
    const keys = new Set<string>();
    for (const { model, active, update } of models) {
      if (active) keys.add(JSON.stringify([model, active.version, 'active']));
      if (update && update.state !== 'committed')
        keys.add(JSON.stringify([model, update.version, update.state]));
    }
    for (const severity of severities) {
      if (conditions.some((condition) => condition.severity === severity)) keys.add(severity);
    }
    this.removed(deviceId);
    this.#byDevice.set(
      deviceId,
      [...keys].map((key) => this.#add(key)),
    );
  }

  removed(deviceId: string): void {
    for (const key of this.#byDevice.get(deviceId) ?? []) {
      const count = this.#counts.get(key)!;
      count.devices -= 1;
      if (count.devices === 0) this.#counts.delete(key);
    }
    this.#byDevice.delete(deviceId);
  }

  versions(): readonly VersionCount[] {
    return [...this.#counts.values()]
      .filter(({ key }) => key.startsWith('['))
      .map(({ key, devices }) => {
        const [model, version, state] = JSON.parse(key) as [string, string, string];
        return { model, version, state, devices };
      });
  }

  /** Each device with each model that it has active. */
  *running(): Generator<{ readonly deviceId: string; readonly model: string }> {
    const models = new Map<string, string | undefined>();
    for (const key of this.#counts.keys()) {
      const [model, , state] = key.startsWith('[') ? (JSON.parse(key) as string[]) : [];
      if (state === 'active') models.set(key, model);
    }
    for (const [deviceId, keys] of this.#byDevice) {
      for (const key of keys) {
        const model = models.get(key);
        if (model !== undefined) yield { deviceId, model };
      }
    }
  }

  /** Devices whose last report has at least one condition of the severity. */
  withConditions(): ReadonlyMap<Severity, number> {
    return new Map(severities.map((severity) => [severity, this.#counts.get(severity)?.devices ?? 0]));
  }

  #add(key: string): string {
    const count = this.#counts.get(key) ?? { key, devices: 0 };
    count.devices += 1;
    this.#counts.set(key, count);
    return count.key;
  }
}
