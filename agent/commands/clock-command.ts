/** `modelfleet-agent clock [--reset]`: the time that signed statements have proved, and the way to make the device forget it. */
import { Command } from 'commander';
import { systemClock } from '../../platform/system-clock.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import { dataFolder } from '../config/data-folder.ts';
import { dataFolderOf } from '../config/load-options.ts';
import { loadIdentity } from '../connection/identity.ts';
import { askAgent } from '../control/control-client.ts';
import { ClockFloor } from '../trust/clock-floor.ts';
import { dataFlag, dataFlagText } from './data-flag.ts';
import { printResult } from './print-result.ts';

export function clockCommand(): Command {
  return new Command('clock')
    .description(
      'show the clock and the time that signed messages prove; the later one decides what has expired',
    )
    .option(
      '--reset',
      "forget the proven time and trust this device's clock, after the hub's clock was ahead",
    )
    .option(dataFlag, dataFlagText)
    .option('--json', 'print the result as JSON')
    .action(async (flags: { reset?: boolean; data?: string; json?: boolean }) => {
      const data = dataFolderOf(flags, process.env);
      const provenMs = flags.reset ? await resetClock(data) : (await openFloor(data)).now();
      const [now, proven] = [systemClock.now(), provenMs].map((ms) => new Date(ms).toISOString());
      printResult(flags.json, {
        value: { now, proven },
        lines: () => [
          `clock of this device   ${now}`,
          `proven by statements   ${proven === now || provenMs <= systemClock.now() ? 'nothing later' : proven}`,
        ],
      });
    });
}

/** Through the agent that runs; in its files when none does. Returns the time that counts from then on. */
async function resetClock(data: string): Promise<number> {
  try {
    const { nowMs } = (await askAgent(data, 'POST', '/clock/reset')) as { nowMs: number };
    return nowMs;
  } catch (error) {
    if (!isAppError(error, 'agent_not_running')) throw error;
    return (await openFloor(data)).reset();
  }
}

async function openFloor(data: string): Promise<ClockFloor> {
  const { certificateFrom } = await loadIdentity(data);
  return ClockFloor.open(dataFolder(data).clock, systemClock, certificateFrom);
}
