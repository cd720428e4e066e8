/** Help and errors send people to documents: each is in the checkout and in the package. */
import { existsSync, readFileSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorCatalogue } from '../../shared/errors/catalogue.ts';
import { allCommands, commandTrees } from '../support/command-trees.ts';

const root = join(import.meta.dirname, '../..');
const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
const inPackage = (path: string) =>
  files.some((pattern) => matchesGlob(path, pattern) || path.startsWith(`${pattern}/`));

const named = (text: string) => text.match(/\b(docs|deploy)\/[\w./-]*\w|\bSECURITY\.md/g) ?? [];

/** Help with what is added before and after it, as it is printed. */
async function helpTexts(): Promise<readonly string[]> {
  return [...(await commandTrees()).values()].flatMap(allCommands).map((command) => {
    const parts: string[] = [];
    command.configureOutput({ writeOut: (part) => void parts.push(part) }).outputHelp();
    return parts.join('');
  });
}

describe('a document that help or an error names', () => {
  it('is in the package', async () => {
    const texts = [...(await helpTexts()), JSON.stringify(errorCatalogue)];
    const documents = new Set(texts.flatMap(named));
    // "models pack" and an error about packing say where model.yaml is described.
    expect(documents).toContain('docs/MODEL-YAML.md');
    expect([...documents].filter((path) => !existsSync(join(root, path)) || !inPackage(path))).toEqual([]);
  });

  it('is in the package where README names it', () => {
    const documents = named(readFileSync(join(root, 'README.md'), 'utf8'));
    expect(documents.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    const missing = documents.filter((path) => path !== 'docs/adr' && !inPackage(path));
    expect(missing).toEqual([]);
  });
});
