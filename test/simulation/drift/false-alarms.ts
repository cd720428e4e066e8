/** How often versions without drift alarm: in one reading, in readings of growing counts, and in a year of closed hours. */
import { closedSpans } from '../../../hub/drift/reading-levels.ts';
import { onEveryReading, onSingleReading } from '../../../hub/drift/significance.ts';
import { isAlarm, type KnownEffect, type Rows, SimulatedVersion } from './versions.ts';

export interface Study {
  readonly name: string;
  readonly rows: Rows;
  readonly seed: number;
  readonly runs: number;
  readonly referenceRows: number;
}

export interface OneReadingCount {
  readonly name: string;
  readonly effect: KnownEffect;
  readonly features: number;
  readonly size: number;
  readonly runs: number;
  /** Runs with any feature of `watch` or worse, and of `drift`. */
  readonly watch: number;
  readonly drift: number;
  /** Runs in which no feature has rows enough for a verdict. */
  readonly tooFew: number;
}

/** `sizes` rise; `widths` are how many features a version has. */
export function countOneReading(
  study: Study,
  {
    sizes,
    widths,
    effects = ['none'],
  }: {
    readonly sizes: readonly number[];
    readonly widths: readonly number[];
    readonly effects?: readonly KnownEffect[];
  },
): readonly OneReadingCount[] {
  const { name, runs } = study;
  const found = effects.flatMap((effect) =>
    widths.flatMap((features) =>
      sizes.map((size) => ({ name, effect, features, size, runs, watch: 0, drift: 0, tooFew: 0 })),
    ),
  );
  for (let run = 0; run < runs; run += 1) {
    const version = new SimulatedVersion({ ...study, run, features: Math.max(...widths) });
    for (const [at, size] of sizes.entries()) {
      version.draw(size - (sizes[at - 1] ?? 0));
      for (const count of found.filter((f) => f.size === size)) {
        const verdict = version.verdict(count.features, {}, count.effect);
        if (verdict === 'drift') count.drift += 1;
        if (isAlarm(verdict)) count.watch += 1;
        if (verdict === 'too-few') count.tooFew += 1;
      }
    }
  }
  return found;
}

export interface RepeatedCount {
  readonly name: string;
  readonly features: number;
  readonly readings: number;
  readonly runs: number;
  /** Runs that ever alarmed, by the rule for one reading and by the rule for every reading. */
  readonly onSingle: number;
  readonly onEvery: number;
}

/** The same counts judged while they grow, at each size: whether any reading alarms. */
export function countRepeatedReadings(
  study: Study,
  { sizes, features }: { readonly sizes: readonly number[]; readonly features: number },
): RepeatedCount {
  let onSingle = 0;
  let onEvery = 0;
  for (let run = 0; run < study.runs; run += 1) {
    const version = new SimulatedVersion({ ...study, run, features });
    let single = false;
    let every = false;
    for (const [at, size] of sizes.entries()) {
      version.draw(size - (sizes[at - 1] ?? 0));
      single ||= isAlarm(version.verdict(features, { significance: onSingleReading }));
      every ||= isAlarm(version.verdict(features, { significance: onEveryReading }));
    }
    if (single) onSingle += 1;
    if (every) onEvery += 1;
  }
  return { name: study.name, features, readings: sizes.length, runs: study.runs, onSingle, onEvery };
}

export interface ClosedSpansCount {
  readonly name: string;
  readonly features: number;
  readonly rowsPerHour: number;
  readonly runs: number;
  /** Years with an alarm of any hour or day. */
  readonly alarmed: number;
}

/** Each run is a year of one version. */
export function countClosedSpans(
  study: Study,
  {
    rowsPerHour,
    features,
    days,
  }: { readonly rowsPerHour: number; readonly features: number; readonly days: number },
): ClosedSpansCount {
  let alarmed = 0;
  for (let run = 0; run < study.runs; run += 1) {
    const version = new SimulatedVersion({ ...study, run, features });
    let ever = false;
    // Rows of a day are drawn anew and not added up from its hours: Bonferroni's inequality does not ask how they depend on each other.
    for (const { name, level } of closedSpans) {
      const spans = name === 'hour' ? 24 * days : days;
      for (let i = 0; i < spans && !ever; i += 1) {
        version.clear();
        version.draw(name === 'hour' ? rowsPerHour : 24 * rowsPerHour);
        ever = isAlarm(version.verdict(features, { level }));
      }
    }
    if (ever) alarmed += 1;
  }
  return { name: study.name, features, rowsPerHour, runs: study.runs, alarmed };
}
