/** `modelfleet-agent`: reads the command line, says what went wrong in one message, ends with the right exit code. */
import { Command, CommanderError } from 'commander';
import { programVersion } from '../platform/installation.ts';
import { endProgram, guardOutput } from '../platform/standard-output.ts';
import { exitCodes, failureExitCode, failureText, usageText } from '../shared/errors/failure.ts';
import { clockCommand } from './commands/clock-command.ts';
import { doctorCommand } from './commands/doctor-command.ts';
import { releaseCommand } from './commands/release-command.ts';
import { rollbackCommand } from './commands/rollback-command.ts';
import { runCommand } from './commands/run-command.ts';
import { statusCommand } from './commands/status-command.ts';
import { UsageError } from './commands/usage-error.ts';
import { dataFolderOf } from './config/load-options.ts';
import { enrolCommand } from './connection/enrol-command.ts';
import { providersOffered } from './providers-offered.ts';

const PROGRAM = 'modelfleet-agent';

async function main(): Promise<void> {
  guardOutput(PROGRAM);
  const version = await programVersion();
  const program = new Command(PROGRAM)
    .description('Device daemon of a model fleet: verifies, qualifies and serves the versions its hub wants')
    .version(version)
    .addCommand(
      enrolCommand({
        agentVersion: version,
        dataFolderDefault: dataFolderOf({}, process.env),
        providers: providersOffered,
      }),
    )
    .addCommand(runCommand(version))
    .addCommand(statusCommand())
    .addCommand(doctorCommand())
    .addCommand(rollbackCommand())
    .addCommand(releaseCommand())
    .addCommand(clockCommand());
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .allowExcessArguments(false)
      .configureOutput({ outputError: (text, write) => write(usageText(PROGRAM, text)) });
  }
  await program.parseAsync();
}

await main().catch(async (error: unknown) => {
  // Commander has printed help or what is wrong with the usage.
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return;
  }
  const isUsage = error instanceof UsageError;
  process.stderr.write(failureText(PROGRAM, isUsage ? error.cause : error));
  await endProgram(isUsage ? exitCodes.usage : failureExitCode(error));
});
