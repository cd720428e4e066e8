/** A regular file that log lines are appended to; made when it is absent, readable by its owner and group. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { AppError, errorText } from '../shared/base/app-error.ts';

const MODE = 0o640;

/** Returns the descriptor. Throws `bad_input` that names `option`: a file that cannot be opened, a folder, a pipe. */
export function openLogFile(path: string, option: string): number {
  let fd: number;
  try {
    // Without O_NONBLOCK opening a pipe that nobody reads would stop the program.
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
    fd = openSync(path, flags, MODE);
  } catch (error) {
    throw new AppError('bad_input', `Cannot open the file of ${option}: ${errorText(error)}.`, {
      cause: error,
    });
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new AppError('bad_input', `Cannot use ${option} "${path}": expected a regular file.`);
}
