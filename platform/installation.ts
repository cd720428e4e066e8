/**
 * Where this program's own files are: in a checkout TypeScript beside `package.json`, in an installed package the
 * chunks that `npm run build` made, below `dist/`. No other file asks where it lies, because bundling moves it.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Path of a program, such as `runner/main`, in the form this process runs in itself. */
export function programFile(program: string): string {
  const isBuilt = import.meta.filename.endsWith('.js');
  return isBuilt ? join(findRoot(), 'dist', `${program}.js`) : join(findRoot(), `${program}.ts`);
}

/** The version that `package.json` names. */
export async function programVersion(): Promise<string> {
  const text = await readFile(join(findRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function findRoot(folder = import.meta.dirname): string {
  const above = dirname(folder);
  return existsSync(join(folder, 'package.json')) || above === folder ? folder : findRoot(above);
}
