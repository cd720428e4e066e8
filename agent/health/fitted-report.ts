/**
 * A reported state that fits into its message whatever the device has to tell: the hub closes the connection of a device
 * that sends more, and the next report would be no shorter. What matters least goes first: long texts, then quarantined versions,
 * kept versions and conditions. What each model runs and what its update does always stays. Pure.
 */
import { limits } from '../../shared/base/limits.ts';
import type { Condition, ReportedModel, ReportedState } from '../../shared/protocol/reported-state.ts';
import { conditionCatalogue } from './conditions.ts';

/** What one round leaves of everything that can be long. */
interface Share {
  /** UTF-16 units of a quarantined version's reason, a condition's text, a fault's message. */
  readonly reason: number;
  readonly text: number;
  readonly message: number;
  /** Entries. */
  readonly quarantined: number;
  readonly previous: number;
  readonly conditions: number;
}

/** From all that the schema allows to the least: the last one fits whatever the texts are made of. */
const shares: readonly Share[] = [
  { reason: 2_000, text: 2_000, message: 2_000, quarantined: 64, previous: 16, conditions: 63 },
  { reason: 200, text: 2_000, message: 2_000, quarantined: 64, previous: 16, conditions: 63 },
  { reason: 200, text: 500, message: 500, quarantined: 8, previous: 16, conditions: 63 },
  { reason: 60, text: 500, message: 500, quarantined: 2, previous: 4, conditions: 63 },
  { reason: 60, text: 200, message: 200, quarantined: 0, previous: 2, conditions: 32 },
  { reason: 60, text: 100, message: 100, quarantined: 0, previous: 0, conditions: 16 },
];

/** `report`, or as much of it as fits into `bytesMax` bytes of JSON, with a condition that counts what was left out. */
export function fittedReport(
  report: ReportedState,
  bytesMax: number = limits.controlMessageBytesMax,
): ReportedState {
  let fitted = report;
  for (const share of shares) {
    fitted = cut(report, share);
    if (Buffer.byteLength(JSON.stringify(fitted)) <= bytesMax) break;
  }
  return fitted;
}

function cut(report: ReportedState, share: Share): ReportedState {
  const models = report.models.slice(0, limits.modelsPerDeviceMax).map((model) => cutModel(model, share));
  // Errors before warnings, each in the order they came.
  const ranked = [...report.conditions].sort((a, b) => rank(a) - rank(b));
  const conditions = ranked
    .slice(0, share.conditions)
    .map((condition) => ({ ...condition, text: start(condition.text, share.text) }));
  const text = leftOut(report, { models, conditions });
  return {
    ...report,
    models,
    conditions:
      text === undefined
        ? [...report.conditions]
        : [...conditions, { code: 'report_cut', severity: conditionCatalogue.report_cut.severity, text }],
  };
}

function cutModel(model: ReportedModel, share: Share): ReportedModel {
  const { update } = model;
  return {
    ...model,
    // Those kept first are the next to go back to; of the quarantined ones the latest are news.
    previous: model.previous.slice(0, share.previous),
    ...(update?.fault && {
      update: { ...update, fault: { ...update.fault, message: start(update.fault.message, share.message) } },
    }),
    quarantined: model.quarantined
      .slice(Math.max(0, model.quarantined.length - share.quarantined))
      .map((entry) => ({ ...entry, reason: start(entry.reason, share.reason) })),
  };
}

function rank({ severity }: Condition): number {
  return severity === 'error' ? 0 : 1;
}

/** The first units of a text, whole characters only: half of one would come back as another. */
function start(text: string, units: number): string {
  return text.length <= units ? text : text.slice(0, units).replace(/[\uD800-\uDBFF]$/, '');
}

/** Counts what is missing or shortened, by kind; undefined when nothing is. */
function leftOut(
  before: Pick<ReportedState, 'models' | 'conditions'>,
  after: Pick<ReportedState, 'models' | 'conditions'>,
): string | undefined {
  const sum = (of: typeof before, count: (model: ReportedModel) => number) =>
    of.models.reduce((total, model) => total + count(model), 0);
  const missing = {
    models: before.models.length - after.models.length,
    'quarantined versions':
      sum(before, (m) => m.quarantined.length) - sum(after, (m) => m.quarantined.length),
    'kept versions': sum(before, (m) => m.previous.length) - sum(after, (m) => m.previous.length),
    conditions: before.conditions.length - after.conditions.length,
    'characters of text': units(before) - units(after),
  };
  const parts = Object.entries(missing).filter(([, count]) => count > 0);
  if (parts.length === 0) return undefined;
  const list = parts.map(([what, count]) => `${count} ${what}`).join(', ');
  return `The report was too long for one message. Left out: ${list}. "modelfleet-agent status" on the device shows all.`;
}

function units({ models, conditions }: Pick<ReportedState, 'models' | 'conditions'>): number {
  const texts = [
    ...conditions.map(({ text }) => text),
    ...models.flatMap(({ update, quarantined }) => [
      update?.fault?.message ?? '',
      ...quarantined.map(({ reason }) => reason),
    ]),
  ];
  return texts.reduce((total, text) => total + text.length, 0);
}
