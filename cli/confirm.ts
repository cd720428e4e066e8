/** Asks before an action that cannot be undone. */
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { AppError } from '../shared/base/app-error.ts';
import { safeLines } from '../shared/base/safe-text.ts';

export interface Question {
  /** Value of `--yes`: nothing is asked. */
  readonly yes?: boolean | undefined;
  /** What is about to be done, as the rest of "Cannot …": `remove device "x"`. */
  readonly action: string;
  /** What it does to whom, as far as it can be known before; asked for only when somebody reads it. */
  readonly preview: () => Promise<readonly string[]>;
}

export function addYesFlag(command: Command): Command {
  return command.option('-y, --yes', 'do not ask for confirmation; required without a terminal');
}

/** Returns when it is confirmed. Throws `not_confirmed`, or `confirmation_required` without a terminal. */
export async function confirm({ yes, action, preview }: Question): Promise<void> {
  if (yes) return;
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) {
    throw new AppError(
      'confirmation_required',
      `Cannot ${action} without confirmation: there is no terminal to ask on. Add --yes.`,
    );
  }
  stderr.write(safeLines(await preview()));
  const answer = await ask(`Really ${action}? Type yes: `);
  if (answer?.trim().toLowerCase() !== 'yes') {
    throw new AppError('not_confirmed', `Did not ${action}: it was not confirmed. Nothing was changed.`);
  }
}

/** The line that was typed; undefined for end of input and Ctrl-C. */
async function ask(question: string): Promise<string | undefined> {
  const { stdin: input, stderr: output } = process;
  const lines = createInterface({ input, output, terminal: true });
  return new Promise((resolve) => {
    lines.once('SIGINT', () => lines.close());
    lines.once('close', () => {
      output.write('\n');
      resolve(undefined);
    });
    lines.question(question).then(
      (line) => {
        resolve(line);
        lines.removeAllListeners('close').close();
      },
      () => undefined,
    );
  });
}
