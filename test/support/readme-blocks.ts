/** The code blocks of README's "Your own model on your own device", in order. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface CodeBlock {
  /** The number of its step: 2 is "Start the hub". */
  readonly step: number;
  readonly language: string;
  readonly text: string;
}

const readme = join(import.meta.dirname, '../../README.md');

export async function readmeBlocks(): Promise<readonly CodeBlock[]> {
  const text = await readFile(readme, 'utf8');
  const from = text.indexOf('## Your own model on your own device');
  const to = text.indexOf('\n### As services', from);
  if (from < 0 || to < 0) throw new Error('README has another structure: a heading of the guide is gone.');
  const section = text.slice(from, to);
  return section.split(/^### /m).flatMap((part) => {
    const step = Number.parseInt(part, 10);
    if (Number.isNaN(step)) return [];
    return [...part.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, body]) => ({
      step,
      language: language!,
      text: body!,
    }));
  });
}

/** The commands of a shell block, without their comments; one that goes on over several lines is one. */
export function commandsOf({ text }: CodeBlock): readonly string[] {
  const commands: string[] = [];
  let open = '';
  for (const line of text.split('\n')) {
    open += open === '' ? line : `\n${line}`;
    if ((open.match(/'/g) ?? []).length % 2 === 1) continue;
    const command = open.replace(/\s+# .*$/, '').trim();
    if (command !== '') commands.push(command);
    open = '';
  }
  return commands;
}
