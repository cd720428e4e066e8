/**
 * Secrets that a command takes: from a file, from standard input (`-`), or as an argument, which every user of the machine can read in
 * the list of processes and which stays in the shell's history. The last still works, with a warning.
 */
import { text } from 'node:stream/consumers';
import { AppError } from '../shared/base/app-error.ts';
import { readGivenFile, unreadableReason } from './regular-file.ts';

const SECRET_BYTES_MAX = 16 * 1024;

export interface SecretFlags {
  readonly token?: string;
  readonly tokenFile?: string;
}

/** Undefined when no flag is given. Throws `bad_input` for a file that cannot be read and an empty one, `bad_usage` for both flags. */
export async function readTokenFlags({ token, tokenFile }: SecretFlags): Promise<string | undefined> {
  if (token !== undefined && tokenFile !== undefined)
    throw new AppError('bad_usage', 'Cannot use --token and --token-file together. Use one of them.');
  if (token !== undefined && token !== '-') {
    process.stderr.write(
      'warning: other users of this machine can read --token in the list of processes; use --token-file FILE, or --token-file - for standard input\n',
    );
    return token.trim();
  }
  const file = tokenFile ?? token;
  if (file === undefined) return undefined;
  const found = file === '-' ? await text(process.stdin) : await readTokenFile(file);
  if (found.trim() !== '') return found.trim();
  throw new AppError(
    'bad_input',
    `Cannot use the token: ${file === '-' ? 'standard input' : `"${file}"`} is empty.`,
  );
}

async function readTokenFile(file: string): Promise<string> {
  try {
    return String(await readGivenFile(file, SECRET_BYTES_MAX));
  } catch (cause) {
    throw new AppError('bad_input', `Cannot read the token file "${file}": ${unreadableReason(cause)}.`, {
      cause,
    });
  }
}
