/** `modelfleet-agent rollback [MODEL]`. */
import { Command } from 'commander';
import { dataFolderOf } from '../config/load-options.ts';
import { askAgent } from '../control/control-client.ts';
import { dataFlag, dataFlagText } from './data-flag.ts';
import { printResult } from './print-result.ts';

export function rollbackCommand(): Command {
  return new Command('rollback')
    .description('make a model go back to the version before; works without the hub')
    .argument('[model]', 'model (default: the only one on the device)')
    .option(dataFlag, dataFlagText)
    .option('--json', 'print the result as JSON')
    .action(async (model: string | undefined, flags: { data?: string; json?: boolean }) => {
      const query = model === undefined ? '' : `?model=${encodeURIComponent(model)}`;
      const answer = await askAgent(dataFolderOf(flags, process.env), 'POST', `/rollback${query}`);
      const { model: named } = answer as { model: string };
      printResult(flags.json, {
        value: answer,
        lines: () => [`Going back with "${named}"; see "modelfleet-agent status".`],
      });
    });
}
