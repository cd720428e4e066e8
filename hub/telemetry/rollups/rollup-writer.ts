/**
 * Keeps device hours and rollups in step with each report, in the transaction that merges it: a rollup is at every commit what the
 * device hours below it add up to, and a figure of the fleet costs the fleet nothing when it is read.
 *
 * Hours and days hold everything. The shortest spans hold requests, errors, latencies and labels alone, for alerts that must see
 * minutes; they are of no device and go after a day.
 */
import type { Transaction } from 'kysely';
import type { Logger } from '../../../platform/logger.ts';
import type { ReferenceProfile } from '../../../shared/manifest/reference-profile.ts';
import type { FeatureCounts } from '../../../shared/protocol/telemetry-report.ts';
import type { Tables } from '../../db/tables.ts';
import type { ActivityStore, HourVerdict } from '../device-hours/activity-store.ts';
import {
  type DeviceHour,
  type DeviceHourKey,
  type DeviceHourStore,
  deviceHourText,
} from '../device-hours/device-hour-store.ts';
import { FigureSums } from '../figure-sums.ts';
import { type Addable, decodeSums } from '../sums-encoding.ts';
import type { Cell } from './cell.ts';
import { allCells, type RollupKey, type RollupStore, rollupText } from './rollup-store.ts';
import { RollupSums } from './rollup-sums.ts';
import { dayMs, hourMs, spanStart } from './spans.ts';

/** Figures of one device that are to be added at a time of the hub's clock. */
export interface Addition {
  readonly deviceId: string;
  readonly model: string;
  readonly version: string;
  readonly cell: Cell;
  readonly at: number;
  readonly figures: Addable;
  /** The reference profile of the version, if it has one. */
  readonly profile: ReferenceProfile | undefined;
}

/** Judges the features of one device and hour by the reference profile of the version. */
export type HourJudge = (
  profile: ReferenceProfile | undefined,
  features: readonly FeatureCounts[],
) => HourVerdict;

export interface RollupWriterProps {
  readonly hours: DeviceHourStore;
  readonly rollups: RollupStore;
  readonly activity: ActivityStore;
  readonly judge: HourJudge;
  readonly logger: Logger;
  /** Length of the shortest spans; divides an hour. */
  readonly finestMs: number;
}

/** A device hour before and after a batch. */
interface ChangedHour {
  readonly key: DeviceHourKey;
  readonly before: readonly FeatureCounts[];
  readonly sums: FigureSums;
  readonly profile: ReferenceProfile | undefined;
}

export class RollupWriter {
  readonly #props: RollupWriterProps;

  constructor(props: RollupWriterProps) {
    this.#props = props;
  }

  async add(tx: Transaction<Tables>, additions: readonly Addition[]): Promise<void> {
    if (additions.length === 0) return;
    const { hours: store, activity } = this.#props;
    const hours = await this.#changedHours(tx, additions);
    const rollups = new RollupChanges();
    for (const addition of additions) {
      const { at, figures, cell, model, version } = addition;
      hours.get(deviceHourText(hourKey(addition)))!.sums.add(figures);
      for (const spanMs of [this.#props.finestMs, hourMs, dayMs]) {
        for (const one of [cell, allCells]) {
          const key = { model, version, spanMs, spanAt: spanStart(at, spanMs), cell: one };
          rollups.change(key, (sums) => {
            sums.addFigures(figures);
            if (spanMs >= hourMs) sums.addMoments(figures.features);
          });
        }
      }
    }
    for (const { key, before, sums } of hours.values()) {
      rollups.replaceUnit(key, before, sums.figures().features);
    }
    await this.#save(tx, rollups);
    const changed = [...hours.values()];
    await store.save(
      tx,
      changed.map(({ key, sums }) => ({ ...key, body: sums.encode() })),
    );
    await activity.save(
      tx,
      changed.map(({ key: { cell, ...key }, sums, profile }) => ({
        ...key,
        group: cell.group,
        verdict: this.#props.judge(profile, sums.figures().features),
      })),
    );
  }

  /** Takes device hours out of the rollups of hours and days; they must have left their own table in `tx`. */
  async subtract(tx: Transaction<Tables>, gone: readonly DeviceHour[]): Promise<void> {
    const rollups = new RollupChanges();
    for (const hour of gone) {
      const figures = this.#read(hour);
      if (!figures) continue;
      rollups.replaceUnit(hour, figures.features, []);
      for (const key of rollupKeys(hour)) {
        rollups.change(key, (sums) => {
          sums.removeFigures(figures);
          sums.forgetMoments(figures.features);
        });
      }
    }
    await this.#save(tx, rollups);
  }

  async #changedHours(
    tx: Transaction<Tables>,
    additions: readonly Addition[],
  ): Promise<ReadonlyMap<string, ChangedHour>> {
    const changed = new Map(
      additions.map((addition) => {
        const key = hourKey(addition);
        return [deviceHourText(key), { key, profile: addition.profile }];
      }),
    );
    const keys = [...changed.values()].map(({ key }) => key);
    const bodies = await this.#props.hours.bodies(tx, keys);
    return new Map(
      [...changed].map(([text, { key, profile }]) => {
        const body = bodies.get(text);
        const stored = body && this.#read({ ...key, body });
        const sums = new FigureSums();
        if (stored) sums.add(stored);
        return [text, { key, sums, profile, before: stored?.features ?? [] }];
      }),
    );
  }

  async #save(tx: Transaction<Tables>, changes: RollupChanges): Promise<void> {
    const { rollups: store, logger } = this.#props;
    const keys = changes.keys();
    const bodies = await store.bodies(tx, keys);
    const rows = keys.map((key) => {
      const body = bodies.get(rollupText(key));
      let sums = new RollupSums();
      try {
        if (body) sums = RollupSums.decode(body);
      } catch (error) {
        logger.error(
          { rollup: rollupText(key), err: error },
          'a telemetry rollup is unreadable and begins anew',
        );
      }
      changes.apply(key, sums);
      return { ...key, body: sums.encode() };
    });
    await store.save(tx, rows);
  }

  /** Undefined for one that cannot be read: it must not stop the telemetry of every other device. */
  #read(hour: DeviceHour): Addable | undefined {
    try {
      return decodeSums(hour.body);
    } catch (error) {
      this.#props.logger.error(
        { hour: deviceHourText(hour), err: error },
        'an hour of a device’s telemetry is unreadable and left out',
      );
      return undefined;
    }
  }
}

type Change = (sums: RollupSums) => void;

/** Changes of a batch by the row that they are of, so that each row is read and written once. */
class RollupChanges {
  readonly #byRow = new Map<string, { readonly key: RollupKey; readonly changes: Change[] }>();

  change(key: RollupKey, change: Change): void {
    const text = rollupText(key);
    const row = this.#byRow.get(text) ?? { key, changes: [] };
    row.changes.push(change);
    this.#byRow.set(text, row);
  }

  replaceUnit(hour: DeviceHourKey, before: readonly FeatureCounts[], after: readonly FeatureCounts[]): void {
    for (const key of rollupKeys(hour)) this.change(key, (sums) => sums.replaceUnit(before, after));
  }

  keys(): readonly RollupKey[] {
    return [...this.#byRow.values()].map(({ key }) => key);
  }

  apply(key: RollupKey, sums: RollupSums): void {
    for (const change of this.#byRow.get(rollupText(key))?.changes ?? []) change(sums);
  }
}

/** The rows of hours and days that hold a device hour. */
function rollupKeys({ model, version, hourAt, cell }: DeviceHourKey): readonly RollupKey[] {
  return [hourMs, dayMs].flatMap((spanMs) =>
    [cell, allCells].map((one) => ({ model, version, spanMs, spanAt: spanStart(hourAt, spanMs), cell: one })),
  );
}

function hourKey({ deviceId, model, version, cell, at }: Addition): DeviceHourKey {
  return { deviceId, model, version, cell, hourAt: spanStart(at, hourMs) };
}
