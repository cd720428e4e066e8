import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { examples as agentExamples } from '../../../agent/commands/examples.ts';
import type { CliContext } from '../../../cli/context.ts';
import { examples } from '../../../cli/examples.ts';
import { makeProgram } from '../../../cli/program.ts';
import { examples as hubExamples } from '../../../hub/commands/examples.ts';
import { setUpCommandLine } from '../../../platform/command-line.ts';
import { allCommands, commandTrees } from '../../support/command-trees.ts';

const trees = new Map(await commandTrees());
trees.set('modelfleet', makeProgram('0', {} as CliContext));
const programs = [
  ['modelfleet', examples],
  ['modelfleet-agent', agentExamples],
  ['modelfleet-hub', hubExamples],
] as const;

/** Parses a line as its program does, and runs nothing. */
async function parse(program: Command, words: readonly string[]): Promise<void> {
  for (const command of allCommands(program)) command.action(() => undefined);
  await program.parseAsync([...words], { from: 'user' });
}

describe.each(programs)('the help of %s', (name, lines) => {
  const program = trees.get(name)!;
  setUpCommandLine(program, lines, []);
  const pathOf = (command: Command): string =>
    command.parent ? `${pathOf(command.parent)} ${command.name()}`.trim() : '';

  it('has examples for every command that does something', () => {
    const without = allCommands(program)
      .filter((command) => command.commands.length === 0 && command.name() !== '__complete')
      .filter((command) => !helpOf(command).includes('\nExamples:\n'))
      .map(pathOf);
    expect(without).toEqual([]);
    const unknown = Object.keys(lines).filter((path) => !allCommands(program).map(pathOf).includes(path));
    expect(unknown).toEqual([]);
  });

  it('is at most 80 columns wide, with the options of the whole program', () => {
    for (const command of allCommands(program)) {
      const help = helpOf(command);
      expect(help.split('\n').filter((line) => line.length > 80)).toEqual([]);
      if (name === 'modelfleet') expect(help).toMatch(/--output <FORMAT>/);
    }
  });

  it('has no option of a command that an option of the whole program would take away', () => {
    const ofAll = program.options.flatMap(({ short, long }) => [short, long]).filter(Boolean);
    const taken = allCommands(program)
      .filter((command) => command !== program)
      .flatMap(({ options }) => options.flatMap(({ short, long }) => [short, long]))
      .filter((flag) => ofAll.includes(flag));
    expect(taken).toEqual([]);
  });

  it('has examples that the program takes', async () => {
    for (const [path, block] of Object.entries(lines)) {
      for (const line of block
        .join('\n')
        .replaceAll(/ \\\n */g, ' ')
        .split('\n')) {
        const words = wordsOf(line);
        const at = words.indexOf(name);
        if (line.startsWith('source ')) continue;
        expect(words.slice(at + 1).join(' ')).toContain(path);
        await expect(parse(program, words.slice(at + 1)), line).resolves.toBeUndefined();
      }
    }
  });
});

function helpOf(command: Command): string {
  let text = '';
  const { writeOut } = command.configureOutput();
  command.configureOutput({ writeOut: (more) => (text += more) });
  command.outputHelp();
  command.configureOutput({ writeOut: writeOut! });
  return text;
}

/** Words of a shell: quotes taken off, what is redirected left out. */
function wordsOf(line: string): string[] {
  const words = line.match(/(?:'[^']*'|\S)+/g) ?? [];
  const end = words.findIndex((word) => word === '<' || word === '>');
  return (end < 0 ? words : words.slice(0, end)).map((word) => word.replaceAll("'", ''));
}
