/** `modelfleet-agent status`: from the running agent, or, when none runs, from what it left on the disk. */
import { Command } from 'commander';
import { isAppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import type { ReportedModel } from '../../shared/protocol/reported-state.ts';
import type { AgentStatus } from '../agent-status.ts';
import { dataFolderOf } from '../config/load-options.ts';
import { askAgent } from '../control/control-client.ts';
import type { RestingStatus } from '../control/resting-status.ts';
import { dataFlag, dataFlagText } from './data-flag.ts';
import { printResult } from './print-result.ts';

export function statusCommand(): Command {
  return new Command('status')
    .description('show models, updates, conditions and the connection to the hub')
    .option(dataFlag, dataFlagText)
    .option('--json', 'print the result as JSON')
    .action(async (flags: { data?: string; json?: boolean }) => {
      const data = dataFolderOf(flags, process.env);
      const status = await readStatus(data);
      printResult(flags.json, { value: status, lines: () => statusLines(status), indent: 2 });
    });
}

async function readStatus(data: string): Promise<AgentStatus | RestingStatus> {
  try {
    return (await askAgent(data, 'GET', '/status')) as AgentStatus;
  } catch (error) {
    if (!isAppError(error, 'agent_not_running')) throw error;
    const { readRestingStatus } = await import('../control/resting-status.ts');
    return readRestingStatus(data);
  }
}

export function statusLines(status: AgentStatus | RestingStatus): readonly string[] {
  const link = status.running ? (status.connected ? ', connected' : ', NOT connected') : '';
  const lines = [`device    ${status.device} (group ${status.group})`, `hub       ${status.hub}${link}`];
  if (status.running) {
    const { hubBusySince, outbox, reported } = status;
    const isHeld = hubBusySince === undefined ? '' : `; the hub cannot store them now, since ${hubBusySince}`;
    lines.push(
      `local API ${status.url}`,
      `agent     ${reported.facts.agentVersion}, desired state ${reported.sequence}, ${formatBytes(reported.freeBytes)} free`,
      `outbox    ${outbox.size} messages waiting${isHeld}`,
    );
  } else lines.push('agent     not running; the following is from its files');
  const { models, conditions } = status.reported;
  lines.push(models.length === 0 ? 'models    none' : 'models');
  for (const model of models) lines.push(...modelLines(model));
  for (const { code, severity, text } of conditions) lines.push(`${severity.padEnd(9)} ${code}: ${text}`);
  return lines;
}

function modelLines(model: ReportedModel): string[] {
  const { active, provider, previous, update, quarantined } = model;
  const before = previous.filter((one) => !one.left);
  const kept = before.map(({ version }) => version).join(', ') || 'none';
  const lines = [
    `  ${model.model} ${active?.version ?? '(no version)'}${provider ? ` on ${provider}` : ''}, kept before: ${kept}`,
  ];
  // The device does not go back there.
  const left = previous.filter((one) => one.left);
  if (left.length > 0) lines.push(`    gone back from: ${left.map(({ version }) => version).join(', ')}`);
  if (update) {
    const done = update.bytesTotal
      ? ` (${formatBytes(update.bytesHave ?? 0)} of ${formatBytes(update.bytesTotal)})`
      : '';
    lines.push(`    update to ${update.version}: ${update.state}${done} since ${update.since}`);
    if (update.waiting) {
      const { reason, text, since } = update.waiting;
      lines.push(`    waiting (${reason}) since ${since}: ${text}`);
    }
    if (update.fault) lines.push(`    ${update.fault.code}: ${update.fault.message}`);
  }
  for (const { version, until, reason } of quarantined) {
    lines.push(`    ${version} is left alone until ${until}: ${reason}`);
  }
  if (quarantined.length > 0) {
    lines.push(`    to try again at once: modelfleet-agent release --model ${model.model}`);
  }
  return lines;
}
