/**
 * `npm run lint:openapi`: writes the API's description as a hub serves it, and checks it with Redocly and Spectral. Both come
 * with rules for what readers and generators of clients trip over; none of the recommended ones is switched off.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchDescription } from './fetch-description.ts';

const root = join(import.meta.dirname, '../..');
const bin = (name: string) => join(root, 'node_modules/.bin', name);

/** Exit code of the program; what it prints goes where ours goes. */
async function run(program: string, ...args: string[]): Promise<number> {
  const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
  const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit', env, cwd: root });
  const [code] = (await once(child, 'close')) as [number | null];
  return code ?? 1;
}

/** 0 when both find nothing, also nothing to warn of. */
export async function lintDescription(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'modelfleet-openapi-'));
  try {
    const file = join(folder, 'openapi.json');
    await writeFile(file, JSON.stringify(await fetchDescription(), null, 2));
    const redocly = await run(bin('redocly'), 'lint', '--config', 'test/openapi/redocly.yaml', file);
    const spectral = await run(
      bin('spectral'),
      'lint',
      '--ruleset',
      'test/openapi/spectral.yaml',
      '--fail-severity',
      'hint',
      file,
    );
    return redocly || spectral;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) process.exitCode = await lintDescription();
