/** What the command lines of all programs have in common: help, wrong usage, and how a failure is reported. */

import { type Argument, type Command, CommanderError, Help, type Option } from 'commander';
import { ownValue } from '../shared/base/own-value.ts';
import {
  exitCodes,
  failureExitCode,
  failureJson,
  failureText,
  usageError,
} from '../shared/errors/failure.ts';

const HELP_COLUMNS_MAX = 80;
const HELP_COLUMNS_MIN = 40;

/** Lines of examples by the path of the command (`rollout create`; the program itself is ``). */
export type Examples = Readonly<Record<string, readonly string[]>>;

/**
 * Prepares a program whose commands are all there: wrong usage throws instead of ending the process, help shows the examples and
 * the options of the whole program (of them `sharedOptions`, by long name, where its commands use only some), and is no wider than
 * 80 columns.
 */
export function setUpCommandLine(
  program: Command,
  examples: Examples,
  argv: readonly string[],
  sharedOptions?: readonly string[],
): void {
  const isJson = wantsJson(argv);
  const help = Object.assign(new Help(), { showGlobalOptions: true });
  const setUp = (command: Command, path: readonly string[]) => {
    command
      .exitOverride()
      .allowExcessArguments(false)
      .configureHelp({
        showGlobalOptions: true,
        optionDescription,
        argumentDescription,
        ...(sharedOptions && {
          visibleGlobalOptions: (of) =>
            help.visibleGlobalOptions(of).filter(({ long }) => sharedOptions.includes(long ?? '')),
        }),
      })
      .configureOutput({
        getOutHelpWidth: helpWidth,
        getErrHelpWidth: helpWidth,
        // Reported where it is caught, in the form that was asked for.
        outputError: () => undefined,
        writeErr: (text) => {
          if (!isJson) process.stderr.write(text);
        },
      });
    const lines = ownValue(examples, path.join(' ')) ?? [];
    if (lines.length > 0) {
      command.addHelpText('after', ['', 'Examples:', ...lines.map((line) => `  ${line}`)].join('\n'));
    }
    for (const child of command.commands) setUp(child, [...path, child.name()]);
  };
  setUp(program, []);
}

/** Reports a failure on standard error, as JSON when the command line asks for it, and returns the exit code. */
export function reportFailure(program: string, error: unknown, argv: readonly string[]): number {
  const isJson = wantsJson(argv);
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return exitCodes.ok;
    const isHelp = error.code === 'commander.help';
    // Help was shown in place of a command that is missing.
    if (isHelp && !isJson) return exitCodes.usage;
    const fault = usageError(isHelp ? 'a command is missing' : error.message);
    process.stderr.write(isJson ? failureJson(fault) : failureText(program, fault));
    return exitCodes.usage;
  }
  process.stderr.write(isJson ? failureJson(error) : failureText(program, error));
  return failureExitCode(error);
}

/** Whether `--json` or `-o json` is among the arguments, also of a line that cannot be parsed. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  const flags = end < 0 ? argv : argv.slice(0, end);
  return flags.some(
    (flag, at) =>
      ['--json', '-ojson', '-o=json', '--output=json'].includes(flag) ||
      (flag === 'json' && ['-o', '--output'].includes(flags[at - 1] ?? '')),
  );
}

/** As commander has it, and whether the option must be given; values are shown as they are typed, without quotes. */
function optionDescription({ description, mandatory, argChoices, defaultValue }: Option): string {
  return withRemarks(description, [
    mandatory ? 'required' : '',
    argChoices ? `choices: ${argChoices.join(', ')}` : '',
    typeof defaultValue === 'string' ? `default: ${defaultValue}` : '',
  ]);
}

function argumentDescription({ description, argChoices }: Argument): string {
  return withRemarks(description, [argChoices ? `choices: ${argChoices.join(', ')}` : '']);
}

function withRemarks(description: string, remarks: readonly string[]): string {
  const given = remarks.filter((remark) => remark !== '');
  return given.length === 0 ? description : `${description} (${given.join('; ')})`;
}

function helpWidth(): number {
  const columns = process.stdout.columns ?? HELP_COLUMNS_MAX;
  return Math.min(Math.max(columns, HELP_COLUMNS_MIN), HELP_COLUMNS_MAX);
}
