/**
 * What `doctor` learns of the agent itself: from one that runs, the conditions it has found; of one that does not, whether
 * the files of what it would serve are whole. Changes nothing.
 */
import { pino } from 'pino';
import { errorText, isAppError } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import type { Condition } from '../../shared/protocol/reported-state.ts';
import { dataFolder } from '../config/data-folder.ts';
import { askAgent } from '../control/control-client.ts';
import { readRestingStatus } from '../control/resting-status.ts';
import { SlotStore } from '../slots/slot-store.ts';
import type { Check } from './check.ts';
import { conditionCatalogue } from './conditions.ts';

/** Conditions of things that `doctor` looks at itself. */
const lookedAtAnyway: ReadonlySet<string> = new Set([
  'clock_suspect',
  'certificate_ends',
  'low_disk',
  'foreign_entries',
]);

export async function checkAgent(data: string): Promise<readonly Check[]> {
  const name = 'agent';
  try {
    const { reported } = (await askAgent(data, 'GET', '/status')) as {
      readonly reported: { readonly conditions: readonly Condition[] };
    };
    const checks = reported.conditions.filter(({ code }) => !lookedAtAnyway.has(code)).map(checkOfCondition);
    return checks.length > 0 ? checks : [{ name, verdict: 'ok', found: 'it runs and complains of nothing' }];
  } catch (error) {
    if (isAppError(error, 'agent_not_running')) return checkInstalled(data);
    return [{ name, verdict: 'fail', found: errorText(error), wayOut: 'Look at its log; start it again.' }];
  }
}

function checkOfCondition({ code, severity, text }: Condition): Check {
  const wayOut = ownValue(conditionCatalogue, code)?.wayOut;
  const verdict = severity === 'error' ? 'fail' : 'warn';
  return { name: 'agent', verdict, found: `${code}: ${text}`, ...(wayOut && { wayOut }) };
}

async function checkInstalled(data: string): Promise<readonly Check[]> {
  const { slots: folder, slotIndex: indexFile } = dataFolder(data);
  const slots = new SlotStore({ folder, indexFile, keepPrevious: 1, logger: pino({ level: 'silent' }) });
  const { models } = (await readRestingStatus(data)).reported;
  const checks: Check[] = [];
  for (const { model, active } of models) {
    if (!active) continue;
    const name = 'version';
    const found = `${model} ${active.version}: its files are whole; the agent does not run`;
    checks.push(
      await slots.verify(active.manifest).then(
        (): Check => ({ name, verdict: 'ok', found }),
        (error): Check => ({
          name,
          verdict: 'fail',
          found: errorText(error),
          wayOut: conditionCatalogue.version_damaged.wayOut,
        }),
      ),
    );
  }
  return checks;
}
