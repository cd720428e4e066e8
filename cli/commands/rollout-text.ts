/** A rollout as text for people: where it is, how its devices stand, what was decided and why. */

import type {
  DeviceStatus,
  RevertStatus,
  Rollout,
  RolloutDevice,
  RolloutSummary,
} from '../../shared/api/rollouts.ts';
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import type { Column } from '../context.ts';
import { countText } from '../count-text.ts';
import { timeText } from '../time-text.ts';

export const rolloutColumns: readonly Column<RolloutSummary>[] = [
  { title: 'id', value: (row) => row.id },
  { title: 'version', value: (row) => `${row.model}@${row.version}` },
  { title: 'group', value: (row) => row.group ?? '(all)' },
  { title: 'status', value: (row) => row.status },
  { title: 'phase', value: (row) => `${row.phase}/${row.phases}` },
  { title: 'created', value: (row) => timeText(row.createdAt) },
  { title: 'by', value: (row) => row.createdBy },
];

export function rolloutDeviceColumns(now: number): readonly Column<RolloutDevice>[] {
  return [
    { title: 'device', value: (row) => row.device },
    { title: 'phase', value: (row) => row.phase ?? '-', align: 'right' },
    { title: 'status', value: (row) => row.status },
    { title: 'since', value: (row) => ago(row.since, now) },
    {
      title: 'reported',
      value: (row) => (row.lastReportedAt === undefined ? '-' : ago(row.lastReportedAt, now)),
    },
    { title: 'before', value: (row) => row.previousVersion ?? '-', isWide: true },
    { title: 'revert', value: (row) => row.revert ?? '-' },
    { title: 'fault', value: (row) => row.fault?.code ?? '-' },
  ];
}

const revertOrder: readonly RevertStatus[] = [
  'reverted',
  'pending',
  'not-sent',
  'refused',
  'no-target',
  'unchanged',
  'superseded',
  'unassigned',
  'removed',
];
/** Order in which people follow a device; what went wrong comes last, where the eye rests. */
const onTheirWay: readonly DeviceStatus[] = ['offered', 'downloading', 'staged', 'qualifying', 'trial'];
const statusOrder: readonly DeviceStatus[] = [
  'pending',
  ...onTheirWay,
  'succeeded',
  'withdrawn',
  'removed',
  'silent',
  'blocked',
  'unproven',
  'timed-out',
  'failed',
  'rejected',
  'rolled-back',
];

/** `now` is the reader's clock, milliseconds since the epoch. */
export function rolloutText(rollout: Rollout, now: number): readonly string[] {
  const target = rollout.group === undefined ? 'every device' : `group ${rollout.group}`;
  // Why it runs says nothing; why it does not, much.
  const why = rollout.reason === undefined || rollout.status === 'running' ? '' : `: ${rollout.reason}`;
  const lines = [
    `${rollout.id}  ${rollout.model}@${rollout.version} to ${target} (${countText(rollout.target, 'device')})`,
    `status   ${rollout.status}${why}`,
    `phases   ${rollout.phaseList.map(phaseText).join('  ')}`,
    `devices  ${countsText(rollout.counts, statusOrder)}`,
    ...revertLines(rollout, now),
    ...waitLines(rollout, now),
    ...troubleLines(rollout, now),
    ...verdictLines(rollout, now),
  ];
  const faulty = rollout.devices.filter(
    (d) =>
      d.fault !== undefined ||
      ['silent', 'blocked', 'unproven', 'timed-out'].includes(d.status) ||
      ['no-target', 'refused', 'superseded', 'not-sent'].includes(d.revert ?? ''),
  );
  if (faulty.length > 0) lines.push('', ...faulty.map((device) => faultText(device, now)));
  const left = rollout.leftOut?.devices ?? 0;
  if (left > 0)
    lines.push(
      '',
      `The hub names ${rollout.devices.length} devices, faults first, and ${left} more are counted above.`,
    );
  return lines;
}

function phaseText({ size, devices, state }: Rollout['phaseList'][number]): string {
  const mark = state === 'done' ? '[x]' : state === 'current' ? '[>]' : '[ ]';
  return `${mark} ${size} (${devices})`;
}

/** What only a newer hub counts comes last. */
function countsText(counts: Readonly<Record<string, number>>, order: readonly string[]): string {
  const unknown = Object.keys(counts).filter((status) => !order.includes(status));
  const shown = [...order, ...unknown].filter((status) => (ownValue(counts, status) ?? 0) > 0);
  return shown.map((status) => `${ownValue(counts, status)} ${status}`).join(', ');
}

/** That a version was withdrawn from a device says what the hub wants; here is what devices have said since. */
function revertLines({ revert, devices }: Rollout, now: number): string[] {
  if (revert === undefined) return [];
  const pending = devices.filter((device) => device.revert === 'pending');
  const names =
    pending.length === 0 ? '' : `; pending: ${namesText(pending, ownValue(revert, 'pending'), now)}`;
  return [`revert   ${countsText(revert, revertOrder)}${names}`];
}

/** Who a phase waits for; a verdict counts them as they were when it was made. */
function waitLines({ status, counts, devices }: Rollout, now: number): string[] {
  const waited = devices.filter((device) => onTheirWay.includes(device.status));
  if (status !== 'running' || waited.length === 0) return [];
  const total = onTheirWay.reduce((sum, one) => sum + (ownValue(counts, one) ?? 0), 0);
  return [`waits    for ${namesText(waited, total, now)}`];
}

/** Why the hub itself cannot go on with it. */
function troubleLines({ trouble }: Rollout, now: number): string[] {
  return trouble === undefined
    ? []
    : [`trouble  the hub cannot advance it (first ${ago(trouble.since, now)}): ${trouble.message}`];
}

function namesText(devices: Rollout['devices'], total: number | undefined, now: number): string {
  const shown = devices.slice(0, limits.devicesNamedMax);
  const left = (total ?? devices.length) - shown.length;
  const more = left > 0 ? ` and ${left} more` : '';
  return `${shown.map((one) => `${one.device} (${one.status} for ${formatDuration(Math.max(0, now - one.since))})`).join(', ')}${more}`;
}

function verdictLines({ verdicts }: Rollout, now: number): string[] {
  const [last] = verdicts;
  if (last === undefined) return [];
  return [
    `verdict  ${last.verdict} (phase ${last.phase}, ${ago(last.at, now)})`,
    ...last.reasons.map((reason) => `         ${reason.verdict === 'proceed' ? '+' : '-'} ${reason.text}`),
  ];
}

/** Why a device whose version was reverted still runs it, or runs something else. */
const revertTexts = {
  'no-target': ', has no version to go back to and keeps this one',
  refused: ', refuses to go back',
  superseded: ', is left to a later rollout',
  'not-sent': ', could not be sent the rollback',
} as const;

function faultText(device: Rollout['devices'][number], now: number): string {
  const why = device.fault === undefined ? '' : `: ${device.fault.code}: ${device.fault.message}`;
  const how = ownValue(revertTexts, device.revert ?? '') ?? '';
  return `${device.device}  ${device.status} ${ago(device.since, now)}${how}${why}`;
}

function ago(at: number, now: number): string {
  return `${formatDuration(Math.max(0, now - at))} ago`;
}
