/** The commands of `modelfleet`, and the options that all of them take. */
import { Command, Option } from 'commander';
import { addCompletion } from '../platform/completion-command.ts';
import { alertsCommand } from './commands/alerts.ts';
import { auditCommand } from './commands/audit.ts';
import { contextCommand } from './commands/context.ts';
import { devicesCommand } from './commands/devices.ts';
import { driftCommand } from './commands/drift.ts';
import { hubCommand } from './commands/hub.ts';
import { loginCommand, logoutCommand, whoamiCommand } from './commands/login.ts';
import { modelsCommand } from './commands/models.ts';
import { rolloutCommand } from './commands/rollout.ts';
import { sloCommand } from './commands/slo.ts';
import { telemetryCommand } from './commands/telemetry.ts';
import { tokensCommand } from './commands/tokens.ts';
import { trustCommand } from './commands/trust.ts';
import { completionValues } from './completion-values.ts';
import type { CliContext } from './context.ts';

export interface GlobalFlags {
  readonly hub?: string;
  readonly context?: string;
  readonly output?: string;
  readonly json?: boolean;
  readonly headers: boolean;
  readonly quiet?: boolean;
}

const withoutLoginText = `
A script needs no saved login: it sets MODELFLEET_HUB, MODELFLEET_TOKEN and, for
a hub whose CA is not one of the system, MODELFLEET_CA_FILE.`;

/** Command families, in the order `--help` shows them. */
const families: readonly ((context: CliContext) => Command)[] = [
  loginCommand,
  logoutCommand,
  whoamiCommand,
  contextCommand,
  tokensCommand,
  trustCommand,
  modelsCommand,
  devicesCommand,
  rolloutCommand,
  telemetryCommand,
  driftCommand,
  sloCommand,
  alertsCommand,
  auditCommand,
  hubCommand,
];

export function makeProgram(version: string, context: CliContext): Command {
  const program = new Command('modelfleet')
    .description('publish ML models to a modelfleet hub, roll them out to devices and watch them there')
    .version(version, '-V', 'print the version of this program (also --version alone)')
    .addOption(
      new Option(
        '--hub <URL>',
        'URL of the hub (default: MODELFLEET_HUB, else that of the current context)',
      ).conflicts('context'),
    )
    .option('--context <NAME>', 'saved login to use, by name or URL; see "context list"')
    .option(
      '-o, --output <FORMAT>',
      'format of the result: table, wide, json, yaml, name or jsonpath=PATH (default: table)',
    )
    .addOption(new Option('--json', 'the same as -o json').conflicts('output'))
    .option('--no-headers', 'print tables without column titles')
    .option('-q, --quiet', 'print only the result: no remarks, no progress');
  program.addHelpText('after', withoutLoginText);
  for (const family of families) program.addCommand(family(context));
  addCompletion(program, completionValues);
  return program;
}
