import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { allCommands, commandTrees } from '../support/command-trees.ts';

const programs = [...(await commandTrees()).values()];
const commands = programs.flatMap(allCommands);

function help(command: Command): string {
  let text = '';
  command.configureOutput({
    getOutHelpWidth: () => 80,
    writeOut: (more) => {
      text += more;
    },
  });
  command.outputHelp();
  return text;
}

it('finds the commands of all programs', () => {
  const names = commands.map((command) => command.name());
  expect(names).toEqual(
    expect.arrayContaining(['gc', 'groups', 'rollback', 'doctor', 'enrol', 'backup', 'pack']),
  );
});

it('no line of any help is wider than a terminal of 80 columns', () => {
  const wide = commands.flatMap((command) =>
    help(command)
      .split('\n')
      .filter((line) => line.length > 80)
      .map((line) => `${command.name()}: ${line}`),
  );
  expect(wide).toEqual([]);
});

it('every option is explained, and its default is said once', () => {
  const bad = commands.flatMap((command) => {
    const sorted = command.createHelp();
    return command.options
      .filter((option) => {
        const text = sorted.optionDescription(option);
        return text === '' || text.split('(default: ').length > 2 || text.includes('(default: false)');
      })
      .map((option) => `${command.name()} ${option.flags}`);
  });
  expect(bad).toEqual([]);
});

it('every --data says where the data folder is when it is left out', () => {
  const data = commands.flatMap((command) => {
    const found = command.options.find(({ long }) => long === '--data');
    return found ? [command.createHelp().optionDescription(found)] : [];
  });
  expect(data.length).toBeGreaterThan(6);
  expect(data.filter((text) => !/\(default: .+\)/.test(text))).toEqual([]);
});
