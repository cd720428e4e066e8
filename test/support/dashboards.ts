/** The dashboards under deploy/grafana, as far as Grafana's dashboard JSON model (schema version 39) says what they must be. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Static, Type } from 'typebox';
import { parser } from '../../shared/base/parse.ts';

const folder = join(import.meta.dirname, '../../deploy/grafana');
const closed = { additionalProperties: false } as const;
const DataSource = Type.Object(
  { type: Type.Literal('prometheus'), uid: Type.String({ pattern: '^\\$\\{datasource\\}$' }) },
  closed,
);

const Target = Type.Object(
  {
    refId: Type.String({ pattern: '^[A-Z]$' }),
    datasource: DataSource,
    expr: Type.String({ minLength: 1 }),
    legendFormat: Type.String(),
    instant: Type.Optional(Type.Boolean()),
    format: Type.Optional(Type.Enum(['time_series', 'table', 'heatmap'])),
  },
  closed,
);

const Threshold = Type.Object(
  { color: Type.String(), value: Type.Union([Type.Number(), Type.Null()]) },
  closed,
);

const FieldConfig = Type.Object(
  {
    defaults: Type.Object(
      {
        unit: Type.Enum(['short', 'percentunit', 'ops', 'reqps', 's', 'bytes', 'Bps']),
        decimals: Type.Optional(Type.Integer()),
        min: Type.Optional(Type.Number()),
        max: Type.Optional(Type.Number()),
        color: Type.Optional(Type.Object({ mode: Type.Literal('thresholds') }, closed)),
        thresholds: Type.Optional(
          Type.Object(
            { mode: Type.Enum(['absolute', 'percentage']), steps: Type.Array(Threshold, { minItems: 1 }) },
            closed,
          ),
        ),
      },
      closed,
    ),
    overrides: Type.Array(Type.Unknown(), { maxItems: 0 }),
  },
  closed,
);

const GridPos = Type.Object(
  {
    x: Type.Integer({ minimum: 0, maximum: 23 }),
    y: Type.Integer({ minimum: 0 }),
    w: Type.Integer({ minimum: 1, maximum: 24 }),
    h: Type.Integer({ minimum: 1 }),
  },
  closed,
);

const common = { id: Type.Integer({ minimum: 1 }), title: Type.String({ minLength: 1 }), gridPos: GridPos };
const RowPanel = Type.Object(
  {
    ...common,
    type: Type.Literal('row'),
    collapsed: Type.Literal(false),
    panels: Type.Array(Type.Unknown(), { maxItems: 0 }),
  },
  closed,
);
const QueryPanel = Type.Object(
  {
    ...common,
    type: Type.Enum(['stat', 'timeseries', 'table']),
    description: Type.Optional(Type.String({ minLength: 1 })),
    datasource: DataSource,
    targets: Type.Array(Target, { minItems: 1 }),
    fieldConfig: FieldConfig,
    options: Type.Record(Type.String(), Type.Unknown()),
  },
  closed,
);

const variable = {
  name: Type.String({ pattern: '^\\w+$' }),
  label: Type.String(),
  current: Type.Object({}, closed),
};
const DataSourceVariable = Type.Object(
  {
    ...variable,
    type: Type.Literal('datasource'),
    query: Type.Literal('prometheus'),
    refresh: Type.Integer({ minimum: 0, maximum: 2 }),
  },
  closed,
);
const QueryVariable = Type.Object(
  {
    ...variable,
    type: Type.Literal('query'),
    datasource: DataSource,
    query: Type.Object({ query: Type.String(), refId: Type.String() }, closed),
    refresh: Type.Integer({ minimum: 0, maximum: 2 }),
    includeAll: Type.Boolean(),
    multi: Type.Boolean(),
    allValue: Type.String(),
    sort: Type.Integer({ minimum: 0, maximum: 8 }),
  },
  closed,
);

const Dashboard = Type.Object(
  {
    uid: Type.String({ pattern: '^[\\w-]{1,40}$' }),
    title: Type.String({ minLength: 1 }),
    description: Type.String(),
    tags: Type.Array(Type.String()),
    schemaVersion: Type.Literal(39),
    version: Type.Integer(),
    editable: Type.Boolean(),
    graphTooltip: Type.Integer({ minimum: 0, maximum: 2 }),
    refresh: Type.String({ pattern: '^\\d+[smhd]$' }),
    time: Type.Object(
      { from: Type.String({ pattern: '^now-\\d+[smhdwMy]$' }), to: Type.Literal('now') },
      closed,
    ),
    timezone: Type.Enum(['browser', 'utc', '']),
    annotations: Type.Object({ list: Type.Array(Type.Unknown(), { maxItems: 0 }) }, closed),
    templating: Type.Object({ list: Type.Array(Type.Union([DataSourceVariable, QueryVariable])) }, closed),
    links: Type.Array(
      Type.Object(
        {
          title: Type.String(),
          type: Type.Enum(['dashboards', 'link']),
          tags: Type.Array(Type.String()),
          asDropdown: Type.Boolean(),
          includeVars: Type.Boolean(),
          keepTime: Type.Boolean(),
        },
        closed,
      ),
    ),
    panels: Type.Array(Type.Union([RowPanel, QueryPanel]), { minItems: 1 }),
  },
  closed,
);
export type Dashboard = Static<typeof Dashboard>;

const parse = parser(Dashboard, 'dashboard');

/** By file name. Throws for one that does not fit the model. */
export function readDashboards(): ReadonlyMap<string, Dashboard> {
  const names = readdirSync(folder).sort();
  return new Map(names.map((name) => [name, parse(JSON.parse(readFileSync(join(folder, name), 'utf8')))]));
}

/** The queries of its panels and variables, with the title of each. */
export function queriesOf({
  panels,
  templating,
}: Dashboard): readonly { readonly title: string; readonly query: string }[] {
  return [
    ...panels.flatMap((panel) =>
      panel.type === 'row' ? [] : panel.targets.map(({ expr }) => ({ title: panel.title, query: expr })),
    ),
    ...templating.list.flatMap((one) => {
      const query =
        one.type === 'query' ? /^label_values\((.*), \w+\)$/.exec(one.query.query)?.[1] : undefined;
      return query === undefined ? [] : [{ title: one.label, query }];
    }),
  ];
}

/** The query as Prometheus reads it, for everything. */
export function withoutVariables(query: string): string {
  return query.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, '.*');
}
