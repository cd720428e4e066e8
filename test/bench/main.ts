/** `npm run bench [-- NAME…] [-- --json FILE]`: runs the benches named, or all, and prints one table. */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { BenchRow } from './bench-row.ts';

const benches: Readonly<Record<string, () => Promise<{ run(): Promise<BenchRow[]> }>>> = {
  transfer: () => import('./transfer.ts'),
  telemetry: () => import('./telemetry.ts'),
  connect: () => import('./connect.ts'),
  events: () => import('./events.ts'),
  infer: () => import('./infer.ts'),
  overload: () => import('./overload.ts'),
  memory: () => import('./memory.ts'),
  cold: () => import('./cold.ts'),
  refusal: () => import('./refusal.ts'),
};

const { values, positionals } = parseArgs({ options: { json: { type: 'string' } }, allowPositionals: true });
const names = positionals.length > 0 ? positionals : Object.keys(benches);
const unknown = names.filter((name) => !(name in benches));
if (unknown.length > 0) {
  console.error(
    `bench: there is no "${unknown.join('", "')}"; there are ${Object.keys(benches).join(', ')}.`,
  );
  process.exit(2);
}

const rows: BenchRow[] = [];
for (const name of names) {
  process.stderr.write(`bench: ${name} …\n`);
  rows.push(...(await (await benches[name]!()).run()));
}
console.log(renderTable(rows));
if (values.json) await writeFile(values.json, `${JSON.stringify(rows, null, 2)}\n`);
process.exit(0);

function renderTable(all: readonly BenchRow[]): string {
  const header = ['name', 'unit', 'ours', 'min–max', 'runs', 'against', 'ratio'];
  const body = all.map((row) => [
    row.name,
    row.unit,
    figure(row.ours),
    `${figure(row.min)}–${figure(row.max)}`,
    String(row.runs),
    Object.entries(row.against)
      .map(([peer, value]) => `${peer} ${figure(value)}`)
      .join(', '),
    row.ratio === null ? '' : row.ratio.toFixed(2),
  ]);
  const widths = header.map((title, i) => Math.max(title.length, ...body.map((cells) => cells[i]!.length)));
  return [header, widths.map((w) => '-'.repeat(w)), ...body]
    .map((cells) =>
      cells
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function figure(value: number): string {
  if (value === 0) return '0';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
