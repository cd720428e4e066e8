/** How often a column is taken for drifted whose devices differ from each other as those of its sample did: each has a mean of its own. */
import { judgeFeatures } from '../../../hub/drift/verdict.ts';
import { independentColumn, packedColumn } from './columns.ts';
import { normalPairs, shiftedNormal } from './distributions.ts';
import { sfc32 } from './sfc32.ts';
import { isAlarm } from './versions.ts';

export interface DevicesStudy {
  readonly seed: number;
  readonly runs: number;
  readonly referenceRows: number;
  readonly devices: readonly number[];
  readonly rowsPerDevice: number;
  /** Standard deviation of the devices' means, in deviations of the rows of one. */
  readonly spread: number;
}

export interface DevicesCount {
  readonly devices: number;
  readonly runs: number;
  readonly watch: number;
  readonly drift: number;
}

export function countDevices(study: DevicesStudy): readonly DevicesCount[] {
  const { seed, runs, referenceRows, rowsPerDevice, spread } = study;
  return study.devices.map((devices) => {
    let watch = 0;
    let drift = 0;
    for (let run = 0; run < runs; run += 1) {
      const random = sfc32(seed, run);
      const offset = normalPairs(random);
      // A row of any device: the reference has rows of so many that none shows.
      const values = Array.from(
        { length: referenceRows },
        shiftedNormal(0, Math.hypot(1, spread)).draws(random),
      );
      const profile = packedColumn('f0', 'numeric', values);
      const counts = new Array<number>(profile.counts.length).fill(0);
      for (let device = 0; device < devices; device += 1) {
        const distribution = shiftedNormal(spread * offset(), 1);
        const column = independentColumn(profile, { distribution, random });
        column.draw(rowsPerDevice);
        for (const [cell, n] of column.counts.counts.entries()) counts[cell]! += n;
      }
      const whole = { rows: referenceRows, features: [profile] };
      const { verdict } = judgeFeatures(whole, [{ name: 'f0', counts, missing: 0 }])[0]!;
      if (isAlarm(verdict)) watch += 1;
      if (verdict === 'drift') drift += 1;
    }
    return { devices, runs, watch, drift };
  });
}
