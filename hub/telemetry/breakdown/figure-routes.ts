/** `/api/v1/telemetry/figures`: what devices report of a model, by time, device, group, version or arm. */
import { type Static, Type } from 'typebox';
import { Milliseconds } from '../../../shared/api/milliseconds.ts';
import {
  type Breakdown,
  breakdowns,
  FigurePage,
  type FigureRow,
} from '../../../shared/api/telemetry-figures.ts';
import { AppError } from '../../../shared/base/app-error.ts';
import type { Clock } from '../../../shared/base/clock.ts';
import { formatDuration } from '../../../shared/base/duration.ts';
import { limits } from '../../../shared/base/limits.ts';
import { DeviceId } from '../../../shared/base/names.ts';
import { pageOf, pageQuery } from '../../http/page.ts';
import type { Routes } from '../../http/routes.ts';
import { FigureFilter, spanOf } from '../telemetry-routes.ts';
import type { BreakdownQuery, FigureBreakdown } from './figure-breakdown.ts';
import { FIGURE_CURSOR_CHARS_MAX, figureCursor, placeAt } from './figure-cursor.ts';
import { placeOf } from './figure-row.ts';

const Query = Type.Object({
  ...FigureFilter,
  by: Type.Enum([...breakdowns], {
    description:
      'What a row is. `minute`: the shortest spans that the hub keeps, for a day; `arm`: the part of devices in a rollout',
  }),
  device: Type.Optional(
    Type.Unsafe<string>({ ...DeviceId, description: 'Only this device; with `by=hour` alone' }),
  ),
  fromMs: Type.Optional(
    Type.Unsafe<number>({ ...Milliseconds, description: 'Start of the time, instead of `since`' }),
  ),
  toMs: Type.Optional(Type.Unsafe<number>({ ...Milliseconds, description: 'End of the time; default now' })),
  sort: Type.Optional(
    Type.Enum(['-failed', 'device'], {
      description:
        'With `by=device` alone. `-failed`, the default: the devices with the most failed requests, in one page; `device`: all devices by id',
    }),
  ),
  after: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: FIGURE_CURSOR_CHARS_MAX,
      description: '`next` of the page before, with the same `by` and `sort`',
    }),
  ),
  ...pageQuery,
});
type Query = Static<typeof Query>;

export function figureRoutes(services: {
  readonly breakdown: FigureBreakdown;
  readonly clock: Clock;
}): Routes {
  const { breakdown, clock } = services;
  return (api) => {
    api.get(
      '/telemetry/figures',
      {
        config: { role: 'viewer' },
        schema: {
          tags: ['telemetry'],
          operationId: 'listFigures',
          summary: 'Figures of a model by version, group, arm, device, hour or minute',
          description: [
            'Rows go by version and, within one, by time or name; a span without reports has no row. The time is widened to whole hours',
            `where only hours are kept. It is at most ${formatDuration(limits.deviceFigureSpanMsMax)} by device, and at most`,
            `${formatDuration(limits.figureSpanMsMax)} by version, group and arm and for the hours of one device. The devices that fail`,
            `most are found among the ${limits.failingHoursReadMax} of each hour with the most failed requests.`,
          ].join(' '),
          querystring: Query,
          response: { 200: FigurePage },
        },
      },
      async (request) => {
        const { model, by } = request.query;
        const span = timeOf(clock, request.query);
        checkQuery(request.query, span);
        return { model, by, ...span, ...(await pageFor(breakdown, request.query, span)) };
      },
    );
  };
}

type Span = Pick<BreakdownQuery, 'fromMs' | 'toMs'>;

async function pageFor(
  breakdown: FigureBreakdown,
  { by, model, version, group, device, sort, after, limit }: Query,
  span: Span,
): Promise<{ readonly rows: FigureRow[]; readonly next?: string }> {
  const name = by === 'device' || device !== undefined ? `${by} of devices` : by;
  const place = after === undefined ? undefined : placeAt(name, after);
  const query = { model, version, group, ...span, after: place, rowsMax: limit + 1 };
  if (by === 'device') {
    const versions = await breakdown.versions(query);
    if (sort !== 'device') return { rows: await breakdown.devices.worst(query, versions, limit) };
    const { rows, next } = await breakdown.devices.page(query, versions, { after: place, rowsMax: limit });
    return { rows, ...(next ? { next: figureCursor(name, next) } : {}) };
  }
  const rows = device === undefined ? await breakdown.rows(by, query) : await breakdown.hours(query, device);
  return pageOf(rows, limit, (row) => figureCursor(name, placeOf(row)));
}

function timeOf(clock: Clock, { since, fromMs, toMs, by }: Query): Span {
  const recent = spanOf(clock, since ?? (by === 'hour' ? '1d' : '1h'));
  return { fromMs: Math.max(0, fromMs ?? recent.fromMs), toMs: toMs ?? recent.toMs };
}

/** Throws `bad_input` for what does not go together. */
function checkQuery({ by, device, sort, since, fromMs, after }: Query, span: Span): void {
  if (since !== undefined && fromMs !== undefined) throw refused('"since" and "fromMs" are both given');
  if (span.fromMs >= span.toMs) throw refused('the time ends before it begins');
  if (device !== undefined && by !== 'hour') throw refused('"device" needs "by" to be hour');
  if (sort !== undefined && by !== 'device') throw refused('"sort" needs "by" to be device');
  if (after !== undefined && by === 'device' && sort !== 'device') {
    throw refused('"after" needs "sort" to be device');
  }
  const spanMsMax = longest(by, device);
  if (span.toMs - span.fromMs > spanMsMax + 1) {
    throw refused(`by ${by}, the time is longer than ${formatDuration(spanMsMax)}`);
  }
}

function longest(by: Breakdown, device: string | undefined): number {
  if (by === 'device') return limits.deviceFigureSpanMsMax;
  const comesInPages = (by === 'hour' || by === 'minute') && device === undefined;
  return comesInPages ? Number.POSITIVE_INFINITY : limits.figureSpanMsMax;
}

function refused(reason: string): AppError {
  return new AppError('bad_input', `Cannot read the query: ${reason}.`);
}
