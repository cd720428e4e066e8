/**
 * What the agent itself knows of its lasting states: asked while it runs, read from its files when it does not; then whether
 * what it would serve is whole. Each condition is a check of its own, with its way out. Changes nothing.
 */
import { existsSync } from 'node:fs';
import { pino } from 'pino';
import { isAppError } from '../../shared/base/app-error.ts';
import type { Condition, ReportedModel } from '../../shared/protocol/reported-state.ts';
import type { AgentStatus } from '../agent-status.ts';
import { dataFolder } from '../config/data-folder.ts';
import { askAgent } from '../control/control-client.ts';
import { readRestingStatus } from '../control/resting-status.ts';
import { SlotStore } from '../slots/slot-store.ts';
import { type Check, failed } from './check.ts';
import { type ConditionCode, conditionCatalogue, wayOutOf } from './conditions.ts';
import { quarantinedText } from './quarantined-text.ts';

/** Conditions that `doctor` looks at with its own eyes. */
const seenElsewhere: ReadonlySet<string> = new Set<ConditionCode>([
  'clock_suspect',
  'low_disk',
  'foreign_entries',
  'certificate_ends',
  'not_connected',
]);

export interface AgentFindings {
  readonly checks: readonly Check[];
  /** Whether an agent runs and is connected to the hub. */
  readonly isConnected: boolean;
}

export async function checkAgent(data: string): Promise<AgentFindings> {
  try {
    const status = (await askAgent(data, 'GET', '/status')) as AgentStatus;
    return { checks: runningChecks(status), isConnected: status.connected };
  } catch (error) {
    if (!isAppError(error, 'agent_not_running'))
      return { checks: [failed('agent', error)], isConnected: false };
    return { checks: await restingChecks(data), isConnected: false };
  }
}

function runningChecks({ connected, hubBusySince, outbox, reported }: AgentStatus): Check[] {
  const doing = reported.models.flatMap(updateText);
  const link = connected ? 'connected to the hub' : 'NOT connected to the hub';
  const found = [`running, ${link}, ${outbox.size} messages to send`, ...doing].join('; ');
  const checks: Check[] = [{ name: 'agent', verdict: 'ok', found }];
  if (hubBusySince !== undefined) {
    checks.push({
      name: 'hub busy',
      verdict: 'warn',
      found: `the hub cannot store messages at present, and has not stored those that this device sent since ${hubBusySince}`,
      wayOut:
        'Do nothing on this device: it keeps the messages until the hub has stored them. On the hub, /readyz and the log have the reason.',
    });
  }
  return [...checks, ...conditionChecks(reported.conditions)];
}

async function restingChecks(data: string): Promise<Check[]> {
  const { reported } = await readRestingStatus(data);
  const { hold } = dataFolder(data);
  const conditions: Condition[] = [
    ...reported.conditions,
    ...asCondition('version_quarantined', quarantinedText(reported.models)),
    ...asCondition(
      'updates_held',
      existsSync(hold) ? `Updates do not switch versions while the file "${hold}" exists.` : undefined,
    ),
  ];
  const doing = reported.models.flatMap(updateText);
  return [
    {
      name: 'agent',
      verdict: 'warn',
      found: ['the agent is not running, so no model is served', ...doing].join('; '),
      wayOut: 'Start the agent: modelfleet-agent run.',
    },
    ...conditionChecks(conditions),
    ...(await installedChecks(data, reported.models)),
  ];
}

/** Of each model, whether the files of the version that would be served are whole. */
async function installedChecks(data: string, models: readonly ReportedModel[]): Promise<Check[]> {
  const { slots: folder, slotIndex: indexFile } = dataFolder(data);
  const slots = new SlotStore({ folder, indexFile, keepPrevious: 1, logger: pino({ level: 'silent' }) });
  const name = 'version';
  const checks: Check[] = [];
  for (const { model, active } of models) {
    if (!active) continue;
    const found = `${model} ${active.version}: its files are intact`;
    const check = await slots.verify(active.manifest).then(
      (): Check => ({ name, verdict: 'ok', found }),
      (error: unknown) => failed(name, error, conditionCatalogue.version_damaged.wayOut),
    );
    checks.push(check);
  }
  return checks;
}

function asCondition(code: ConditionCode, text: string | undefined): Condition[] {
  return text === undefined ? [] : [{ code, severity: conditionCatalogue[code].severity, text }];
}

function conditionChecks(conditions: readonly Condition[]): Check[] {
  return conditions
    .filter(({ code }) => !seenElsewhere.has(code))
    .map(({ code, severity, text }) => {
      const wayOut = wayOutOf(code);
      const verdict = severity === 'error' ? 'fail' : 'warn';
      return { name: code, verdict, found: text, ...(wayOut !== undefined && { wayOut }) };
    });
}

/** What an update is at, when it is under way. */
function updateText({ model, update }: ReportedModel): string[] {
  if (!update || ['committed', 'rejected', 'rolled-back', 'idle'].includes(update.state)) return [];
  return [`${model} ${update.version} has been ${update.state} since ${update.since}`];
}
