/** What the hub answers of rollouts, checked. */
import { Type } from 'typebox';
import { AppError } from '../../shared/base/app-error.ts';
import { answerParser } from '../answer-parser.ts';

const row = {
  id: Type.String(),
  model: Type.String(),
  version: Type.String(),
  group: Type.Optional(Type.String()),
  status: Type.String(),
  reason: Type.Optional(Type.String()),
  phase: Type.Integer(),
  phases: Type.Integer(),
  createdAt: Type.Integer(),
  createdBy: Type.String(),
};
export const parseRollouts = answerParser(
  Type.Object({ rollouts: Type.Array(Type.Object(row)), next: Type.Optional(Type.String()) }),
);
export const parseStatus = answerParser(
  Type.Object({
    ...row,
    target: Type.Integer(),
    warnings: Type.Optional(Type.Array(Type.String())),
    phaseList: Type.Array(
      Type.Object({ size: Type.String(), devices: Type.Integer(), state: Type.String() }),
    ),
    trouble: Type.Optional(Type.Object({ since: Type.Integer(), message: Type.String() })),
    leftOut: Type.Optional(Type.Object({ devices: Type.Integer(), olderVerdicts: Type.Boolean() })),
    counts: Type.Record(Type.String(), Type.Integer()),
    revert: Type.Optional(Type.Record(Type.String(), Type.Integer())),
    devices: Type.Array(
      Type.Object({
        device: Type.String(),
        status: Type.String(),
        phase: Type.Optional(Type.Integer()),
        since: Type.Integer(),
        previousVersion: Type.Optional(Type.String()),
        revert: Type.Optional(Type.String()),
        fault: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
      }),
    ),
    verdicts: Type.Array(
      Type.Object({
        at: Type.Integer(),
        phase: Type.Integer(),
        verdict: Type.String(),
        reasons: Type.Array(
          Type.Object({ code: Type.String(), verdict: Type.String(), text: Type.String() }),
        ),
      }),
    ),
  }),
);

/** Throws `bad_input` for what is no id of a rollout. */
export function rolloutPath(id: string): string {
  if (/^r-[0-9a-f]{8,32}$/.test(id)) return `/rollouts/${id}`;
  throw new AppError(
    'bad_input',
    `Cannot find rollout "${id}": wanted an id such as r-0011223344aa, as "modelfleet rollout list" shows it.`,
  );
}
