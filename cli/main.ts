/** `modelfleet`: the operator's and publisher's command line. Every command is a call of the hub's REST API or works on files. */
import { reportFailure, setUpCommandLine } from '../platform/command-line.ts';
import { programVersion } from '../platform/installation.ts';
import { guardOutput } from '../platform/standard-output.ts';
import type { CliContext, HubClient, Printer } from './context.ts';
import { examples } from './examples.ts';
import { findHubAccess } from './hub-access.ts';
import { parseOutputFormat } from './output-format.ts';
import { StreamPrinter } from './printer.ts';
import { type GlobalFlags, makeProgram } from './program.ts';

const PROGRAM = 'modelfleet';

async function main(): Promise<void> {
  guardOutput(PROGRAM);
  const argv = process.argv.slice(2);
  const globals = () => program.opts<GlobalFlags>();
  let client: HubClient | undefined;
  let printer: Printer | undefined;
  const context: CliContext = {
    hub: async () => {
      if (client) return client;
      const access = await findHubAccess(globals(), process.env);
      // Loaded here: half of the command line's code, and `--help` and `models pack` need no hub.
      const { HttpHubClient } = await import('./hub-client.ts');
      client = new HttpHubClient(access);
      return client;
    },
    flags: globals,
    printer: () => {
      if (printer) return printer;
      throw new Error('no command has begun');
    },
    endWith: (exitCode) => {
      process.exitCode = exitCode;
    },
  };
  const program = makeProgram(await programVersion(), context);
  program.hook('preAction', async () => {
    printer = await makePrinter(globals());
  });
  setUpCommandLine(program, examples, argv);
  try {
    // Further on `--version` names a version of a model.
    await program.parseAsync(argv[0] === '--version' ? ['-V'] : argv, { from: 'user' });
  } catch (error) {
    process.exitCode = reportFailure(PROGRAM, error, argv);
  } finally {
    await client?.close();
  }
}

/** Before anything is asked of a hub: a format that does not exist must not be found out after the action. */
async function makePrinter({ json, output, headers, quiet }: GlobalFlags): Promise<Printer> {
  const format = json ? 'json' : parseOutputFormat(output ?? 'table');
  const yaml = format === 'yaml' ? await import('../platform/yaml-text.ts') : undefined;
  return new StreamPrinter({
    format,
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    width: process.stdout.isTTY ? process.stdout.columns : undefined,
    isErrTerminal: process.stderr.isTTY === true,
    hasHeaders: headers,
    isQuiet: quiet ?? false,
    ...(yaml && { formatYaml: yaml.formatYaml }),
  });
}

await main();
