/** How the command line shows the hub's answers about devices. */
import { Device, DevicePage, type DeviceSummary } from '../../shared/api/devices.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { formatDuration } from '../../shared/base/duration.ts';
import type { ReportedModel } from '../../shared/protocol/reported-state.ts';
import { answerParser } from '../answer-parser.ts';
import type { Printer } from '../context.ts';
import { timeText } from '../time-text.ts';

export const parseDevicePage = answerParser(DevicePage);
export const parseDevice = answerParser(Device);

export function deviceTable(
  printer: Printer,
  rows: readonly DeviceSummary[],
  now: number,
): readonly string[] {
  return printer.table(rows, [
    { title: 'id', value: (row) => row.id },
    { title: 'group', value: (row) => row.group },
    { title: 'link', value: (row) => (row.connected ? 'online' : 'offline') },
    { title: 'seen', value: (row) => ago(row.lastSeenAt, now) },
    { title: 'models', value: modelsOf },
    { title: 'update', value: updatesOf },
    { title: 'conditions', value: (row) => row.conditions.map((one) => one.code).join(' ') || '-' },
  ]);
}

export function deviceText(printer: Printer, device: Device, now: number): readonly string[] {
  const { facts } = device;
  const memory = `${facts.cpus} CPU, ${formatBytes(facts.memoryBytes)} memory`;
  const free = device.freeBytes === undefined ? '' : `, ${formatBytes(device.freeBytes)} free on disk`;
  const lines = [
    `device       ${device.id}`,
    `group        ${device.group}`,
    `link         ${device.connected ? 'online' : 'offline'}, seen ${ago(device.lastSeenAt, now)}`,
    `enrolled     ${timeText(device.enrolledAt)}`,
    `certificate  until ${timeText(device.certificate.expiresAt)}, SHA-256 ${device.certificate.sha256}`,
    `machine      ${facts.hostname}: ${facts.os} ${facts.arch}, ${memory}${free}`,
    `providers    ${facts.providers.join(', ') || '-'}`,
    `agent        ${facts.agentVersion}`,
    ...device.conditions.map((one) => `${one.severity.padEnd(12)} ${one.code}: ${one.text}`),
  ];
  for (const model of device.models) lines.push('', ...modelLines(device.id, model));
  if (device.events.length > 0) lines.push('', ...eventTable(printer, device.events));
  return lines;
}

function modelLines(
  device: string,
  { model, active, provider, previous, update, quarantined }: ReportedModel,
): string[] {
  const lines = [
    `model        ${model} ${active?.version ?? '(none active)'}${provider ? ` on ${provider}` : ''}`,
  ];
  if (previous.length > 0)
    lines.push(
      `previous     ${previous.map((one) => `${one.version}${one.left ? ' (gone back from)' : ''}`).join(', ')}`,
    );
  if (update) {
    const fault = update.fault ? `, ${update.fault.code}: ${update.fault.message}` : '';
    lines.push(
      `update       ${update.version} ${update.state} since ${timeText(Date.parse(update.since), 'second')}${fault}`,
    );
    if (update.waiting) {
      const { reason, text, since } = update.waiting;
      lines.push(`waiting      (${reason}) since ${timeText(Date.parse(since), 'second')}: ${text}`);
    }
  }
  for (const one of quarantined)
    lines.push(`quarantined  ${one.version} until ${timeText(Date.parse(one.until))}: ${one.reason}`);
  if (quarantined.length > 0)
    lines.push(`             to try again at once: modelfleet devices release ${device} --model ${model}`);
  return lines;
}

function eventTable(printer: Printer, events: Device['events']): readonly string[] {
  return printer.table(events, [
    { title: 'time', value: ({ at }) => timeText(at, 'second') },
    { title: 'version', value: ({ event }) => `${event.model}@${event.version}` },
    { title: 'state', value: ({ event }) => event.state },
    {
      title: 'fault',
      value: ({ event }) => (event.fault ? `${event.fault.code}: ${event.fault.message}` : '-'),
    },
  ]);
}

function modelsOf(row: DeviceSummary): string {
  return row.models.map((one) => `${one.model}@${one.version ?? '-'}`).join(' ') || '-';
}

function updatesOf(row: DeviceSummary): string {
  const updates = row.models.flatMap(({ update }) =>
    update && update.state !== 'idle' && update.state !== 'committed'
      ? [`${update.version} ${update.state}${update.fault ? ` (${update.fault})` : ''}`]
      : [],
  );
  return updates.join(', ') || '-';
}

function ago(ms: number | undefined, now: number): string {
  return ms === undefined ? 'never' : `${formatDuration(Math.max(0, now - ms))} ago`;
}
