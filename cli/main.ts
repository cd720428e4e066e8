/** `modelfleet`: the operator's and publisher's command line. Every command is a call of the hub's REST API or works on files. */
import { Command, CommanderError } from 'commander';
import { programVersion } from '../platform/installation.ts';
import { guardOutput } from '../platform/standard-output.ts';
import { exitCodes, failureExitCode, failureJson, failureText, usageText } from '../shared/errors/failure.ts';
import { auditCommand } from './commands/audit.ts';
import { devicesCommand } from './commands/devices.ts';
import { driftCommand } from './commands/drift.ts';
import { hubCommand } from './commands/hub.ts';
import { loginCommand, logoutCommand, whoamiCommand } from './commands/login.ts';
import { modelsCommand } from './commands/models.ts';
import { rolloutCommand } from './commands/rollout.ts';
import { telemetryCommand } from './commands/telemetry.ts';
import { tokensCommand } from './commands/tokens.ts';
import { trustCommand } from './commands/trust.ts';
import type { CliContext, HubClient } from './context.ts';
import { findHubAccess } from './hub-access.ts';
import { StreamPrinter } from './printer.ts';

const PROGRAM = 'modelfleet';

/** Command families, in the order `--help` shows them. */
const families: readonly ((context: CliContext) => Command)[] = [
  loginCommand,
  logoutCommand,
  whoamiCommand,
  tokensCommand,
  trustCommand,
  modelsCommand,
  devicesCommand,
  rolloutCommand,
  telemetryCommand,
  driftCommand,
  auditCommand,
  hubCommand,
];

async function main(): Promise<void> {
  guardOutput(PROGRAM);
  const program = new Command(PROGRAM)
    .description('Fleet manager for ML models on devices')
    .version(await programVersion(), '-V', 'print the version of this program (also --version alone)')
    .option('--hub <URL>', 'hub to talk to (default: the one last logged in to)')
    .option('--json', 'print results as JSON');
  const globals = () => program.opts<{ hub?: string; json?: boolean }>();
  let client: HubClient | undefined;
  const context: CliContext = {
    hub: async () => {
      if (client) return client;
      const access = await findHubAccess(globals().hub, process.env);
      // Loaded here: half of the command line's code, and `--help` and `models pack` need no hub.
      const { HttpHubClient } = await import('./hub-client.ts');
      client = new HttpHubClient(access);
      return client;
    },
    printer: () =>
      new StreamPrinter({
        json: globals().json ?? false,
        out: (text) => process.stdout.write(text),
        err: (text) => process.stderr.write(text),
      }),
    endWith: (exitCode) => {
      process.exitCode = exitCode;
    },
  };
  for (const family of families) program.addCommand(family(context));
  setUpUsageErrors(program);
  try {
    const args = process.argv.slice(2);
    // Further on `--version` names a version of a model.
    await program.parseAsync(args[0] === '--version' ? ['-V'] : args, { from: 'user' });
  } catch (error) {
    process.exitCode = report(error, globals().json ?? false);
  } finally {
    await client?.close();
  }
}

/** Commander ends the process itself unless told otherwise, on every command of the tree. */
function setUpUsageErrors(command: Command): void {
  command.exitOverride().configureOutput({
    outputError: (text, write) => write(usageText(PROGRAM, text)),
  });
  if (!command.parent) command.allowExcessArguments(false);
  for (const child of command.commands) setUpUsageErrors(child.allowExcessArguments(false));
}

/** Tells what went wrong on standard error and returns the exit code. */
function report(error: unknown, json: boolean): number {
  // Commander has printed help or what is wrong with the usage.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  process.stderr.write(json ? failureJson(error) : failureText(PROGRAM, error));
  return failureExitCode(error);
}

await main();
