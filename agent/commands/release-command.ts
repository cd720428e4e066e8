/** `modelfleet-agent release [--model MODEL]`. */
import { Command } from 'commander';
import { dataFolderOf } from '../config/load-options.ts';
import { askAgent } from '../control/control-client.ts';
import type { ReleasedModel } from '../update/model-updates.ts';
import { dataFlag, dataFlagText } from './data-flag.ts';
import { printResult } from './print-result.ts';

export function releaseCommand(): Command {
  return new Command('release')
    .description(
      'end the quarantine of versions that failed or were refused here; they may be installed at once',
    )
    .option('--model <MODEL>', 'only versions of this model (default: every model)')
    .option(dataFlag, dataFlagText)
    .option('--json', 'print the result as JSON')
    .action(async (flags: { model?: string; data?: string; json?: boolean }) => {
      const query = flags.model === undefined ? '' : `?model=${encodeURIComponent(flags.model)}`;
      const answer = await askAgent(dataFolderOf(flags, process.env), 'POST', `/release${query}`);
      const { released } = answer as { released: readonly ReleasedModel[] };
      printResult(flags.json, { value: answer, lines: () => releasedLines(released) });
    });
}

function releasedLines(released: readonly ReleasedModel[]): readonly string[] {
  const lines = released
    .filter(({ versions }) => versions.length > 0)
    .map(
      ({ model, versions }) =>
        `Released "${model}" ${versions.join(', ')}; it is tried when the hub wants it.`,
    );
  return lines.length > 0 ? lines : ['No version was quarantined; what the hub wants is tried again.'];
}
