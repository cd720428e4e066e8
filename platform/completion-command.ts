/** `completion SHELL`, and `__complete`, which the scripts it prints call. */
import { Argument, Command } from 'commander';
import { safeLine } from '../shared/base/safe-text.ts';
import { complete, type ValueSource } from './completion.ts';
import { completionScript, type Shell, shells } from './completion-scripts.ts';

/** Adds both to a program whose other commands are all there. */
export function addCompletion(program: Command, values?: ValueSource): void {
  program.addCommand(
    new Command('completion')
      .description('print a script that completes commands, options and values in a shell')
      .addArgument(new Argument('<shell>', 'which shell').choices(shells))
      .addHelpText('after', howTo(program.name()))
      .action((shell: Shell) => {
        process.stdout.write(completionScript(shell, program.name()));
      }),
  );
  program.addCommand(
    new Command('__complete').argument('[words...]').action(async (words: readonly string[]) => {
      const { candidates, disk } = await complete(program, { words, ...(values && { values }) });
      const lines = candidates.map(
        ({ value, description }) => `${safeLine(value)}\t${safeLine(description)}\n`,
      );
      process.stdout.write(`${lines.join('')}:${disk}\n`);
    }),
    { hidden: true },
  );
}

function howTo(program: string): string {
  return `
Examples:
  source <(${program} completion bash)
  ${program} completion zsh > ~/.zfunc/_${program}
  ${program} completion fish > ~/.config/fish/completions/${program}.fish`;
}
