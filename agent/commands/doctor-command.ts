/** `modelfleet-agent doctor`: looks at everything a device needs, one line each, with the way out of what is wrong. */
import { Command } from 'commander';
import { dataFolderOf } from '../config/load-options.ts';
import type { Check } from '../health/check.ts';
import { dataFlag, dataFlagText } from './data-flag.ts';
import { printResult } from './print-result.ts';

export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'check identity, clock, hub, trust, agent, disk and model runtime, with advice for what fails',
    )
    .option(dataFlag, dataFlagText)
    .option('--json', 'print the result as JSON')
    .action(async (flags: { data?: string; json?: boolean }) => {
      // Loaded here: the daemon should not carry it.
      const { examine } = await import('../health/doctor.ts');
      const checks = await examine(dataFolderOf(flags, process.env));
      printResult(flags.json, { value: checks, lines: () => doctorLines(checks), indent: 2 });
      if (checks.some(({ verdict }) => verdict === 'fail')) process.exitCode = 1;
    });
}

function doctorLines(checks: readonly Check[]): readonly string[] {
  return checks.flatMap(({ name, verdict, found, wayOut }) => [
    `${verdict.toUpperCase().padEnd(4)}  ${name.padEnd(12)} ${found}`,
    ...(wayOut ? [`      ${''.padEnd(12)} → ${wayOut}`] : []),
  ]);
}
