/** Help and errors send people to documents: each is in the checkout and in the package. */
import { existsSync, readFileSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';
import { describe, expect, it } from 'vitest';
import { examples as agentExamples } from '../../agent/commands/examples.ts';
import { examples as cliExamples } from '../../cli/examples.ts';
import { examples as hubExamples } from '../../hub/commands/examples.ts';
import { type Examples, setUpCommandLine } from '../../platform/command-line.ts';
import { errorCatalogue } from '../../shared/errors/catalogue.ts';
import { allCommands, commandTrees } from '../support/command-trees.ts';

const root = join(import.meta.dirname, '../..');
const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
const inPackage = (path: string) =>
  files.some((pattern) => matchesGlob(path, pattern) || path.startsWith(`${pattern}/`));

const named = (text: string) => text.match(/\b(docs|deploy)\/[\w./-]*\w|\bSECURITY\.md/g) ?? [];

const examplesOf: Readonly<Record<string, Examples>> = {
  modelfleet: cliExamples,
  'modelfleet-hub': hubExamples,
  'modelfleet-agent': agentExamples,
};

/** Help with its examples and all else that is added before and after it, as it is printed. */
async function helpTexts(): Promise<readonly string[]> {
  const trees = await commandTrees();
  for (const [name, program] of trees) setUpCommandLine(program, examplesOf[name]!, []);
  return [...trees.values()].flatMap(allCommands).map((command) => {
    const parts: string[] = [];
    command.configureOutput({ writeOut: (part) => void parts.push(part) }).outputHelp();
    return parts.join('');
  });
}

describe('a document that help or an error names', () => {
  it('is in the package', async () => {
    const help = await helpTexts();
    expect(help.filter((text) => text.includes('\nExamples:\n')).length).toBeGreaterThan(20);
    const texts = [...help, JSON.stringify(errorCatalogue)];
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
