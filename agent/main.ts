/** `modelfleet-agent`: reads the command line, says what went wrong in one message, ends with the right exit code. */
import { Command } from 'commander';
import { reportFailure, setUpCommandLine } from '../platform/command-line.ts';
import { addCompletion } from '../platform/completion-command.ts';
import { programVersion } from '../platform/installation.ts';
import { endProgram, guardOutput } from '../platform/standard-output.ts';
import { exitCodes } from '../shared/errors/failure.ts';
import { clockCommand } from './commands/clock-command.ts';
import { doctorCommand } from './commands/doctor-command.ts';
import { examples } from './commands/examples.ts';
import { releaseCommand } from './commands/release-command.ts';
import { rollbackCommand } from './commands/rollback-command.ts';
import { runCommand } from './commands/run-command.ts';
import { statusCommand } from './commands/status-command.ts';
import { UsageError } from './commands/usage-error.ts';
import { dataFolderOf } from './config/load-options.ts';
import { enrolCommand } from './connection/enrol-command.ts';
import { providersOffered } from './providers-offered.ts';

const PROGRAM = 'modelfleet-agent';
const argv = process.argv.slice(2);

async function main(): Promise<void> {
  guardOutput(PROGRAM);
  const version = await programVersion();
  const program = new Command(PROGRAM)
    .description(
      'agent on a device: installs the model versions that the hub assigns, tests them, and serves them over a local HTTP API',
    )
    .version(version, '-V, --version', 'print the version of this program')
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
  addCompletion(program);
  setUpCommandLine(program, examples, argv);
  await program.parseAsync();
}

await main().catch(async (error: unknown) => {
  const isUsage = error instanceof UsageError;
  const code = reportFailure(PROGRAM, isUsage ? error.cause : error, argv);
  await endProgram(isUsage ? exitCodes.usage : code);
});
