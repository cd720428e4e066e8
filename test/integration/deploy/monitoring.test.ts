/** The files under deploy that show and watch metrics read metrics and labels that exist, in a form that Prometheus and Grafana take. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { queriesOf, readDashboards, withoutVariables } from '../../support/dashboards.ts';
import { hubMetrics } from '../../support/hub-metrics.ts';
import { readsOf } from '../../support/promql.ts';
import { hasPromtool, runPromtool } from '../../support/promtool.ts';
import { RunningHub } from '../../support/running-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string };
}

const deploy = join(import.meta.dirname, '../../../deploy');
const dashboards = readDashboards();
/** Those that Prometheus adds to what it scrapes, and its own of rules. */
const ofPrometheus = {
  metrics: ['up', 'ALERTS'],
  labels: ['job', 'instance', 'le', 'alertname', 'alertstate', '__name__'],
};
const known = { metrics: new Set(ofPrometheus.metrics), labels: new Set(ofPrometheus.labels) };
let rules: readonly Rule[];

beforeAll(async () => {
  // A test with an agent holds the tables of this page against both registries: labels that a hub without devices does not show are here.
  const page = await readFile('docs/METRICS.md', 'utf8');
  const types = new Map<string, string>();
  for (const [, name, type, labels] of page.matchAll(
    /^\| `(modelfleet_\w+)` *\| (\w+) *\| ([a-z_, ]*)\|/gm,
  )) {
    types.set(name!, type!);
    for (const label of labels!.split(',')) if (label.trim() !== '') known.labels.add(label.trim());
  }
  const hub = await RunningHub.start();
  try {
    for (const [, name, type] of (await hubMetrics(hub)).matchAll(/^# TYPE (\w+) (\w+)$/gm))
      types.set(name!, type!);
  } finally {
    await hub.stop();
  }
  for (const [name, type] of types) {
    known.metrics.add(name);
    if (type === 'histogram')
      for (const part of ['bucket', 'sum', 'count']) known.metrics.add(`${name}_${part}`);
  }
  const file = parse(await readFile(join(deploy, 'prometheus/rules.yml'), 'utf8')) as {
    groups: { rules: Rule[] }[];
  };
  rules = file.groups.flatMap((group) => group.rules);
});

function unknownIn(query: string): string[] {
  const { metrics, labels } = readsOf(query);
  expect(metrics.length + labels.length, query).toBeGreaterThan(0);
  return [
    ...metrics.filter((name) => !known.metrics.has(name)),
    ...labels.filter((name) => !known.labels.has(name)),
  ];
}

it('a metric or a label that does not exist is found', () => {
  const query = 'sum by (modle) (rate(modelfleet_inferences{job="x"}[5m])) > on (instance) 2e9 * up';
  expect(unknownIn(query)).toEqual(['modelfleet_inferences', 'modle']);
});

describe('deploy/prometheus/rules.yml', () => {
  it('reads metrics and labels that exist', () => {
    expect(rules.length).toBeGreaterThan(20);
    for (const { alert, expr } of rules) expect(unknownIn(expr), alert).toEqual([]);
  });

  it('names each alert once, with a summary', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { alert, annotations } of rules) expect(annotations.summary, alert).toMatch(/\w/);
  });

  it.skipIf(!hasPromtool)('passes promtool, and its alerts come when they must', () => {
    const check = runPromtool(['check', 'rules', join(deploy, 'prometheus/rules.yml')]);
    expect(check, check.text).toMatchObject({ status: 0 });
    expect(check.text).toContain(`SUCCESS: ${rules.length} rules found`);
    const test = runPromtool(['test', 'rules', join(deploy, 'prometheus/rules-test.yml')]);
    expect(test, test.text).toMatchObject({ status: 0 });
  });
});

describe('deploy/grafana', () => {
  it('has a dashboard for a weekly reading, for who is on call, and for a defect', () => {
    expect([...dashboards.keys()]).toEqual(['debug.json', 'executive.json', 'on-call.json']);
    const uids = [...dashboards.values()].map(({ uid }) => uid);
    expect(new Set(uids).size).toBe(uids.length);
  });

  it.each([...dashboards])('%s asks for metrics and labels that exist', (_, dashboard) => {
    const queries = queriesOf(dashboard);
    expect(queries.length).toBeGreaterThan(10);
    for (const { title, query } of queries) expect(unknownIn(query), title).toEqual([]);
  });

  it.each([...dashboards])('%s uses the variables that it declares, and no other', (_, dashboard) => {
    const declared = dashboard.templating.list.map(({ name }) => name);
    const used = queriesOf(dashboard).flatMap(({ query }) =>
      [...query.matchAll(/\$(\w+)/g)].map(([, name]) => name!),
    );
    expect(new Set(used.filter((name) => name !== '__rate_interval'))).toEqual(
      new Set(declared.filter((name) => name !== 'datasource')),
    );
  });

  it.each([...dashboards])(
    'no panel of %s lies on another, and each has an id of its own',
    (_, { panels }) => {
      const ids = panels.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
      );
      expect(new Set(cells).size).toBe(cells.length);
      for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    },
  );

  it.skipIf(!hasPromtool)('has queries that Prometheus can read', async () => {
    const queries = [...dashboards.values()].flatMap(queriesOf).map(({ query }) => withoutVariables(query));
    const file = join(await tempFolder(), 'queries.yml');
    const recorded = queries.map((expr, i) => ({ record: `query:${i}`, expr }));
    await writeFile(file, JSON.stringify({ groups: [{ name: 'queries', rules: recorded }] }));
    const { status, text } = runPromtool(['check', 'rules', file]);
    expect({ status, text }).toMatchObject({ status: 0 });
  });
});
