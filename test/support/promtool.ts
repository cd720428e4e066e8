/** What Prometheus' own checker says of metrics and rules; it comes with Debian's package `prometheus`. */
import { spawnSync } from 'node:child_process';

export const hasPromtool = spawnSync('promtool', ['--version']).status === 0;

/** Complaints, one a line; empty when there are none. */
export function checkMetrics(page: string): string {
  const { status, text } = runPromtool(['check', 'metrics'], page);
  return status === 0 ? text : text || `promtool ended with ${status}`;
}

/** How `promtool` ended, and all that it has written. */
export function runPromtool(
  args: readonly string[],
  input = '',
): { readonly status: number | null; readonly text: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { status, text: `${stdout}${stderr}`.trim() };
}

/** The value of a sample; undefined when the page has none of that name with these labels. */
export function sampleOf(
  page: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  for (const line of page.split('\n')) {
    const [, found, inside = '', value] = /^([a-z_:]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (found === name && wanted.every((label) => inside.split(',').includes(label))) return Number(value);
  }
  return undefined;
}
