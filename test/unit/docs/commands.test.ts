import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { errorCatalogue } from '../../../shared/errors/catalogue.ts';
import { commandTrees } from '../../support/command-trees.ts';

const root = join(import.meta.dirname, '../../..');
const pages = [
  'README.md',
  'SECURITY.md',
  'docs/OPERATIONS.md',
  'docs/MODEL-YAML.md',
  'docs/DRIFT.md',
  'docs/ALERTS.md',
  'docs/ERRORS.md',
];
const trees = await commandTrees();

/** What a page shows as code: blocks, words between backquotes, and commands in quotes, as the cures of errors name them. */
function codeOf(page: string): readonly string[] {
  const blocks = [...page.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block]) => block!.split('\n'));
  const words = page.replace(/```.*?```/gs, '').matchAll(/`([^`\n]+)`/g);
  const quoted = page.matchAll(/"(modelfleet[^"\n]*)"/g);
  return [...blocks, ...[...words, ...quoted].map(([, text]) => text!)];
}

/** Why a command line cannot be run as it stands; undefined when it can, or is none of ours. */
function fault(line: string): string | undefined {
  const [, name, rest] = line.match(/^(?:[A-Z_]+=\S+ )*(modelfleet(?:-hub|-agent)?)(?= |$)([^#|&)]*)/) ?? [];
  if (!name) return undefined;
  let command: Command = trees.get(name)!;
  for (const word of rest!.trim().split(/\s+/)) {
    if (command.commands.length === 0 || word.startsWith('-')) break;
    const next: Command | undefined = command.commands.find((child) => child.name() === word);
    if (!next) return /^[a-z-]+$/.test(word) ? `${line}: no command "${word}"` : undefined;
    command = next;
  }
  const known = (flag: string) => {
    for (let at: Command | null = command; at; at = at.parent) {
      if (at.options.some((option) => option.long === flag)) return true;
    }
    return ['--help', '--version', '--json', '--hub'].includes(flag);
  };
  const unknown = [...rest!.matchAll(/(?<= )--[a-z][a-z-]*/g)].find(([flag]) => !known(flag));
  return unknown && `${line}: no option ${unknown[0]}`;
}

it.each(pages)('every command that %s shows is there, with its options', async (page) => {
  const lines = codeOf(await readFile(join(root, page), 'utf8'));
  expect(lines.filter((line) => line.startsWith('modelfleet')).length).toBeGreaterThan(0);
  expect(lines.map(fault).filter((text) => text !== undefined)).toEqual([]);
});

/** The long options of a command and of all below it. */
function optionsOf(command: Command): readonly string[] {
  const own = command.options.flatMap(({ long }) => long ?? []);
  return [...own, ...command.commands.flatMap(optionsOf)];
}

it('every option that an error of the catalogue names exists in one of the programs', async () => {
  // The options of a start of the hub are declared where it starts, which an import would do.
  const main = await readFile(join(root, 'hub/main.ts'), 'utf8');
  const ofStart = [...main.matchAll(/\.option\(\s*'(--[a-z-]+)/g)].map(([, option]) => option!);
  const known = new Set([...trees.values()].flatMap(optionsOf).concat(ofStart, '--help'));
  const named = Object.entries(errorCatalogue).flatMap(([code, { meaning, fix }]) =>
    [...`${meaning} ${fix}`.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => ({ code, option })),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter(({ option }) => !known.has(option))).toEqual([]);
});
