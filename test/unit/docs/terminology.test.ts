/** docs/TERMINOLOGY.md against the code: its tables are in order, and every public value has a row where it belongs. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { conditionCatalogue } from '../../../agent/health/conditions.ts';
import { roles } from '../../../shared/api/access.ts';
import { alertSeverities, alertStates } from '../../../shared/api/alerts.ts';
import { deviceStatuses, revertStatuses, rolloutStatuses, verdicts } from '../../../shared/api/rollouts.ts';
import { updateStates } from '../../../shared/protocol/update-event.ts';

const page = await readFile(join(import.meta.dirname, '../../../docs/TERMINOLOGY.md'), 'utf8');

/** First cells of the table below `heading`, without their marks. */
function firstCells(heading: string): readonly string[] {
  const [, after] = page.split(`${heading}\n`);
  if (after === undefined) throw new Error(`docs/TERMINOLOGY.md has no heading "${heading}"`);
  const [section] = after.split(/^#+ /m);
  return [...section!.matchAll(/^\| (?:\*\*|`)([^*`]+)(?:\*\*|`) +\|/gm)].map(([, cell]) => cell!);
}

describe('docs/TERMINOLOGY.md', () => {
  const terms = firstCells('# Terminology');

  it('lists each term once, in alphabetical order', () => {
    const key = (term: string) => term.toLowerCase().replace(/[()]/g, '');
    expect(terms.length).toBeGreaterThan(50);
    expect(terms).toEqual([...new Set(terms)].sort((a, b) => (key(a) < key(b) ? -1 : 1)));
  });

  it('gives each term a meaning', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| **'));
    for (const row of rows) expect(row).toMatch(/^\| \*\*[^*|]+\*\* +\| [^|]{10,} \|[^|]+\|$/);
  });

  it.each([
    ['## Status of a rollout', rolloutStatuses],
    ['## Status of a device in a rollout', deviceStatuses],
    ['## Outcome of a revert', revertStatuses],
    ['## State of an update on a device', updateStates],
    ['## Verdict of a gate', verdicts],
    ['## Role of a token', roles],
    ['## State of an alert', alertStates],
    ['## Severity of an alert', alertSeverities],
    ['## Condition of a device', Object.keys(conditionCatalogue)],
  ])('has under "%s" every value of the code and no other', (heading, values) => {
    expect([...firstCells(heading)].sort()).toEqual([...values].sort());
  });
});
