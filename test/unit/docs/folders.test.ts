/** docs/ARCHITECTURE.md lists every folder of the programs, and no other. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const page = readFileSync(join(root, 'docs/ARCHITECTURE.md'), 'utf8');

const foldersIn = (folder: string) =>
  readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${folder}/${name}`)
    .sort();

it.each(['hub', 'agent'])('names each folder of %s with what it holds', (folder) => {
  const listed = [...page.matchAll(new RegExp(`^\\| \`(${folder}/[a-z-]+)\` +\\| (.+?) +\\|$`, 'gm'))];
  expect(listed.map(([, name]) => name)).toEqual(foldersIn(folder));
  for (const [, name, text] of listed) expect(text, name).toMatch(/[a-z]{3}/);
});
