/** Checks the integrity of a database in a process of its own (integrity-main.ts). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { Type } from 'typebox';
import { programFile } from '../../platform/installation.ts';
import { parser } from '../../shared/base/parse.ts';

const parseFaults = parser(Type.Array(Type.String()), 'answer of the integrity check');

/** What is wrong in the database, at most ten things; nothing when it is intact. Throws when that cannot be determined. */
export async function findDamage(file: string, signal: AbortSignal): Promise<string[]> {
  const child = spawn(process.execPath, [programFile('hub/data-folder/integrity-main'), file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // A kill cannot damage anything for a reader, and one that reads a large file handles no other signal in time.
  const kill = () => void child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  try {
    const [output, errors, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ]);
    if (code !== 0) throw new Error(`the integrity check ended with ${code}: ${errors.trim().slice(-500)}`);
    return parseFaults(JSON.parse(output));
  } finally {
    signal.removeEventListener('abort', kill);
  }
}
