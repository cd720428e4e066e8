/** Answer of `GET /api/v1/telemetry/figures`: figures of a model broken down by time, device, group, version or arm. */
import { type Static, Type } from 'typebox';
import { DriftVerdict } from './drift.ts';
import { next } from './page.ts';
import { VersionFigures } from './telemetry.ts';

export const breakdowns = ['version', 'group', 'arm', 'device', 'hour', 'minute'] as const;
export type Breakdown = (typeof breakdowns)[number];

const { devices: _, ...figures } = VersionFigures.properties;

export const FigureRow = Type.Object(
  {
    ...figures,
    fromMs: Type.Optional(Type.Integer({ description: 'Start of the hour or minute' })),
    toMs: Type.Optional(Type.Integer({ description: 'End of the hour or minute' })),
    device: Type.Optional(Type.String()),
    group: Type.Optional(Type.String()),
    arm: Type.Optional(
      Type.Union([Type.Literal('canary'), Type.Literal('control'), Type.Literal('rest')], {
        description:
          'Part of the devices in a rollout: `canary` has its version on trial, `control` waits for it, `rest` has no part',
      }),
    ),
    rollout: Type.Optional(Type.String({ description: 'The rollout of the arm' })),
    errorRate: Type.Optional(
      Type.Number({
        description: 'Failed requests as a share of those answered or failed; absent without any',
      }),
    ),
    failingSinceMs: Type.Optional(
      Type.Integer({
        description: 'Start of the first hour of the span in which requests of the device failed',
      }),
    ),
    verdict: Type.Optional(
      Type.Unsafe<Static<typeof DriftVerdict>>({
        ...DriftVerdict,
        description: 'Worst drift verdict of the device by itself; it is stored by device and hour alone',
      }),
    ),
  },
  { $id: 'FigureRow' },
);
export type FigureRow = Static<typeof FigureRow>;

export const FigurePage = Type.Object(
  {
    model: Type.String(),
    by: Type.Enum([...breakdowns]),
    fromMs: Type.Integer(),
    toMs: Type.Integer(),
    rows: Type.Array(FigureRow),
    next,
  },
  { $id: 'FigurePage' },
);
export type FigurePage = Static<typeof FigurePage>;
