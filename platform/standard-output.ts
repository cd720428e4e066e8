/** What becomes of a program whose output nobody takes. Without this, the error of the stream would end it with a stack trace. */
import { setTimeout as wait } from 'node:timers/promises';
import { AppError } from '../shared/base/app-error.ts';
import { failureExitCode, failureText } from '../shared/errors/failure.ts';
import { asDiskError } from './atomic-file.ts';
import { unreadableReason } from './regular-file.ts';

/**
 * For a command: a reader that has seen enough (`| head`) ends it with success; output that cannot be written ends it with
 * the reason. What it cannot say on standard error it leaves unsaid.
 */
export function guardOutput(program: string): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    const told = asDiskError(error, 'standard output');
    const failure =
      told === error
        ? new AppError('file_unusable', `Cannot write the output: ${unreadableReason(error)}.`, {
            cause: error,
          })
        : told;
    process.stderr.write(failureText(program, failure));
    process.exit(failureExitCode(failure));
  });
}

let isOutlived = false;
/** How long what was said last may take. */
const LAST_WORDS_MS = 1_000;

/** For a program that goes on whoever listens. */
export function outliveOutput(): void {
  isOutlived = true;
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error').on('error', () => undefined);
  }
}

/**
 * Ends the program with an exit code. One that goes on whoever listens ends whoever listens, too: a line that nobody takes
 * would keep it running for ever.
 */
export async function endProgram(code: number): Promise<void> {
  process.exitCode = code;
  if (!isOutlived) return;
  const taken = Promise.all([process.stdout, process.stderr].map(whenTaken));
  await Promise.race([taken, wait(LAST_WORDS_MS)]);
  process.exit(code);
}

function whenTaken(stream: NodeJS.WriteStream): Promise<void> {
  return stream.writableLength === 0 || stream.destroyed
    ? Promise.resolve()
    : new Promise((resolve) => stream.write('', () => resolve()));
}
