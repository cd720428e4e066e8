/** Sections of docs/STATISTICS.md that a command writes, between its markers. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const page = join(import.meta.dirname, '../../docs/STATISTICS.md');

/** Replaces what stands between `<!-- NAME -->` and `<!-- /NAME -->`. Throws Error when the page has no such markers. */
export async function writeSection(name: string, report: string): Promise<void> {
  const text = await readFile(page, 'utf8');
  const [from, to] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  if (start < 0 || end < start) throw new Error(`docs/STATISTICS.md has no place for ${name}.`);
  await writeFile(page, `${text.slice(0, start + from.length)}\n${report}\n\n${text.slice(end)}`);
}

/** A Markdown table with columns of one width. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  return [line(header), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)];
}
