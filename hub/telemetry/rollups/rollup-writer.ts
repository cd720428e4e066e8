/**
 * Keeps device hours and rollups in step with each report, in the transaction that merges it: a rollup is at every commit what the
 * device hours below it add up to, and a figure of the fleet costs the fleet nothing when it is read.
 *
 * Hours and days hold everything. The shortest spans hold requests, errors, latencies and labels alone, for alerts that must see
 * minutes; they are of no device and go after a day.
 */
import type { Transaction } from 'kysely';
import type { Logger } from '../../../platform/logger.ts';
import type { DriftVerdict } from '../../../shared/api/drift.ts';
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
import { failedOf } from '../telemetry-figures.ts';
import { type Cell, cellText } from './cell.ts';
import { allCells, type RollupKey, type RollupStore, rollupText, type VersionName } from './rollup-store.ts';
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
  /** Start of the shortest span of the batch. */
  readonly at: number;
  readonly before: readonly FeatureCounts[];
  /** Undefined for a new hour. */
  readonly verdictBefore: DriftVerdict | undefined;
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
    const { hours: store, activity, judge, finestMs } = this.#props;
    const hours = await this.#changedHours(tx, additions);
    const changes = new RollupChanges();
    for (const addition of additions) {
      const { figures } = addition;
      hours.get(deviceHourText(hourKey(addition)))!.sums.add(figures);
      const change = changes.of({ ...addition, at: spanStart(addition.at, finestMs) });
      change.addFigures(figures);
      change.addMoments(figures.features);
    }
    const changed = [...hours.values()].map((hour) => {
      const after = hour.sums.figures().features;
      return { ...hour, after, judged: judge(hour.profile, after) };
    });
    for (const { key, at, before, after } of changed) changes.of({ ...key, at }).replaceUnit(before, after);
    await this.#apply(tx, changes, [finestMs, hourMs, dayMs]);
    await store.save(
      tx,
      changed.map(({ key, sums, judged }) => ({
        ...key,
        body: sums.encode(),
        verdict: judged.verdict,
        failed: failedOf(sums.figures()),
      })),
    );
    await activity.save(
      tx,
      changed
        .filter(({ judged, verdictBefore }) => judged.verdict !== verdictBefore)
        .map(({ key: { cell, ...key }, judged }) => ({ ...key, group: cell.group, verdict: judged })),
    );
  }

  /** Takes device hours out of the rollups of hours and days; they must have left their own table in `tx`. */
  async subtract(tx: Transaction<Tables>, gone: readonly DeviceHour[]): Promise<void> {
    const changes = new RollupChanges();
    for (const hour of gone) {
      const figures = this.#read(hour);
      if (!figures) continue;
      const change = changes.of({ ...hour, at: hour.hourAt });
      change.removeFigures(figures);
      change.forgetMoments(figures.features);
      change.replaceUnit(figures.features, []);
    }
    await this.#apply(tx, changes, [hourMs, dayMs]);
  }

  async #changedHours(
    tx: Transaction<Tables>,
    additions: readonly Addition[],
  ): Promise<ReadonlyMap<string, ChangedHour>> {
    const changed = new Map(
      additions.map((addition) => {
        const key = hourKey(addition);
        const at = spanStart(addition.at, this.#props.finestMs);
        return [deviceHourText(key), { key, at, profile: addition.profile }];
      }),
    );
    const keys = [...changed.values()].map(({ key }) => key);
    const found = await this.#props.hours.find(tx, keys);
    return new Map(
      [...changed].map(([text, { key, at, profile }]) => {
        const hour = found.get(text);
        const stored = hour && this.#read(hour);
        const sums = new FigureSums();
        if (stored) sums.add(stored);
        return [
          text,
          { key, at, sums, profile, before: stored?.features ?? [], verdictBefore: hour?.verdict },
        ];
      }),
    );
  }

  async #apply(tx: Transaction<Tables>, changes: RollupChanges, spans: readonly number[]): Promise<void> {
    const { rollups: store } = this.#props;
    const byRow = Map.groupBy(changes.rows(spans), ({ key }) => rollupText(key));
    const bodies = await store.bodies(
      tx,
      [...byRow.values()].map(([first]) => first!.key),
    );
    const rows = [...byRow].map(([text, [first, ...others]]) => {
      const sums = this.#stored(text, bodies.get(text));
      const { key } = first!;
      for (const { change } of [first!, ...others]) {
        if (key.spanMs < hourMs) sums.addFigures(change.figures());
        else sums.add(change);
      }
      return { ...key, body: sums.encode() };
    });
    await store.save(tx, rows);
  }

  #stored(row: string, body: Uint8Array | undefined): RollupSums {
    try {
      if (body) return RollupSums.decode(body);
    } catch (error) {
      this.#props.logger.error(
        { rollup: row, err: error },
        'a telemetry rollup is unreadable and begins anew',
      );
    }
    return new RollupSums();
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

interface ChangeKey extends VersionName {
  readonly cell: Cell;
  /** Start of the shortest span. */
  readonly at: number;
}

/** What a batch changes, summed up by cell and shortest span, so that a rollup is changed once, however many devices report. */
class RollupChanges {
  readonly #changes = new Map<string, { readonly key: ChangeKey; readonly change: RollupSums }>();

  of({ model, version, cell, at }: ChangeKey): RollupSums {
    const text = `${model} ${version} ${cellText(cell)} ${at}`;
    const found = this.#changes.get(text) ?? {
      key: { model, version, cell, at },
      change: new RollupSums(),
    };
    this.#changes.set(text, found);
    return found.change;
  }

  /** Each change with the rows that it belongs to: its cell and all cells, in spans of these lengths. */
  rows(spans: readonly number[]): { readonly key: RollupKey; readonly change: RollupSums }[] {
    return [...this.#changes.values()].flatMap(({ key: { model, version, cell, at }, change }) =>
      spans.flatMap((spanMs) =>
        [cell, allCells].map((one) => ({
          key: { model, version, spanMs, spanAt: spanStart(at, spanMs), cell: one },
          change,
        })),
      ),
    );
  }
}

function hourKey({ deviceId, model, version, cell, at }: Addition): DeviceHourKey {
  return { deviceId, model, version, cell, hourAt: spanStart(at, hourMs) };
}
