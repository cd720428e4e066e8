/** How the hub's commands give their result: on standard output, as one line of JSON or as lines, with nothing in it that moves a terminal. */
import type { Command } from 'commander';
import { safeJson, safeLines } from '../../shared/base/safe-text.ts';

export function printResult(
  command: Command,
  { value, lines }: { readonly value: unknown; readonly lines: readonly string[] },
): void {
  const isJson = command.parent?.opts()['json'] === true;
  process.stdout.write(isJson ? `${safeJson(JSON.stringify(value))}\n` : safeLines(lines));
}
