import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { expect, it } from 'vitest';
import { setUpCommandLine } from '../../platform/command-line.ts';
import { addOptionFlags } from '../../platform/load-options.ts';
import { choiceOption, integerOption } from '../../platform/option-table.ts';
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

it('descriptions are phrases: without a capital at the start and a full stop at the end', () => {
  const described = commands.flatMap((command) => [
    ...command.options.map(({ flags, description }) => ({ of: flags, text: description })),
    ...command.registeredArguments.map((argument) => ({ of: argument.name(), text: argument.description })),
    { of: command.name(), text: command.description() },
  ]);
  const bad = described.filter(({ text }) => /^[A-Z][a-z]|\.$|\. [A-Z]/.test(text));
  expect(bad).toEqual([]);
});

it('every list can be sorted as docs/CLI.md has it', async () => {
  const page = await readFile(join(import.meta.dirname, '../../docs/CLI.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z ]+)(?: [A-Z]+)?` +\| ((?:`-?[a-zA-Z]+`(?:, )?)+)/gm)];
  const documented = rows.map(([, list, sorts]) => [list!, sorts!.match(/-?[a-zA-Z]+/g)!.join(' ')]);
  const pathOf = (command: Command): string =>
    command.parent ? `${pathOf(command.parent)} ${command.name()}`.trim() : '';
  const shown = commands.flatMap((command) => {
    const text = command.options.find(({ long }) => long === '--sort')?.description;
    const [, names, byDefault] = /^sort by (.*), descending .*\(default: (.*)\)$/.exec(text ?? '') ?? [];
    if (names === undefined) return [];
    return [[pathOf(command), [byDefault, ...names.split(' or ').slice(1)].join(' ')]];
  });
  expect(documented.length).toBeGreaterThan(8);
  expect(shown.sort()).toEqual(documented.sort());
});

/** A program with one command, as its help shows it. */
function helpOf(sharedOptions?: readonly string[]): string {
  const table = {
    port: integerOption(1, { min: 0, max: 9 }, 'port'),
    level: choiceOption('low', ['low', 'high'], 'level', 'LEVEL'),
  };
  const program = addOptionFlags(new Command('program'), table);
  const command = program
    .command('do')
    .requiredOption('--name <NAME>', 'name')
    .option('--ttl <DURATION>', 'time', '1h')
    .addOption(new Option('--role <ROLE>', 'role').choices(['a', 'b']).makeOptionMandatory());
  setUpCommandLine(program, {}, [], sharedOptions);
  return help(command).replaceAll(/ {2,}/g, '  ');
}

it('help has values as they are typed, and shows which options must be given', () => {
  expect(helpOf()).toContain('--name <NAME>  name (required)\n');
  expect(helpOf()).toContain('--ttl <DURATION>  time (default: 1h)\n');
  expect(helpOf()).toContain('--role <ROLE>  role (required; choices: a, b)\n');
  expect(helpOf()).toContain('--level <LEVEL>  level (default: low) (choices: low, high)\n');
});

it('the help of a command has of the whole program only the options it shares, where they are named', () => {
  expect(helpOf()).toContain('--port');
  expect(helpOf(['--level'])).toContain('--level');
  expect(helpOf(['--level'])).not.toContain('--port');
});
