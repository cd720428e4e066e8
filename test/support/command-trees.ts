/** The commands of the three programs as commander knows them, made without running anything: for tests of help and of docs. */
import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { hubOptionTable } from '../../hub/config/options-schema.ts';
import { addOptionFlags } from '../../platform/load-options.ts';

const root = join(import.meta.dirname, '../..');
const folders = {
  modelfleet: 'cli/commands/*.ts',
  'modelfleet-hub': 'hub/commands/*-command.ts',
  'modelfleet-agent': 'agent/{commands,connection}/*-command.ts',
};

/** Every program with all its commands. A file of commands exports functions `…Command`, each of which makes one. */
export async function commandTrees(): Promise<ReadonlyMap<string, Command>> {
  const trees = new Map<string, Command>();
  for (const [name, files] of Object.entries(folders)) {
    const program = new Command(name);
    for await (const file of glob(files, { cwd: root })) {
      const module = (await import(join(root, file))) as Record<string, unknown>;
      for (const [key, make] of Object.entries(module)) {
        if (/^[a-z]+Command$/.test(key) && typeof make === 'function') {
          const command = make({ providers: [], agentVersion: '0', dataFolderDefault: '.' }) as Command;
          // `pack` is a part of `models`, in a file of its own.
          if (command.name() !== 'pack') program.addCommand(command);
        }
      }
    }
    trees.set(name, program);
  }
  addOptionFlags(trees.get('modelfleet-hub')!, hubOptionTable);
  return trees;
}

/** The command itself and all below it. */
export function allCommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}
