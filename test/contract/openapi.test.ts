import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

it('the description of the API passes Redocly and Spectral without a warning', async () => {
  const program = join(import.meta.dirname, '../openapi/lint.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [program]);
  expect(stdout).toContain('No results with a severity of');
}, 90_000);
