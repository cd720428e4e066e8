/** Service level objectives of models: what is promised of a model, and how much of the error budget is left. */
import { type Static, Type } from 'typebox';
import { GroupName, ModelName } from '../base/names.ts';
import { DriftVerdict } from './drift.ts';
import { Milliseconds } from './milliseconds.ts';
import { next } from './page.ts';

/** Objectives that count good and bad events, and so have an error budget. */
export const budgetObjectives = ['availability', 'latency', 'accuracy'] as const;
export type BudgetObjective = (typeof budgetObjectives)[number];

const DAY_MS = 86_400_000;

/** A target of 1 would leave no budget that could be spent at a rate. */
export const targetMax = 0.9999;
const target = Type.Number({
  minimum: 0.5,
  maximum: targetMax,
  description: 'Share of the events that must be good, such as 0.999',
});

const objectives = {
  availability: Type.Optional(
    Type.Object({ target }, { description: 'Requests that were answered, of those that fit the interface' }),
  ),
  latency: Type.Optional(
    Type.Object(
      { target, limitMs: Type.Number({ exclusiveMinimum: 0, maximum: DAY_MS }) },
      { description: 'Answered requests that took no longer than `limitMs`' },
    ),
  ),
  accuracy: Type.Optional(
    Type.Object({ target }, { description: 'Labels that agree with the answer; classification alone' }),
  ),
  freshness: Type.Optional(
    Type.Object(
      { target, withinMs: Type.Integer({ minimum: 60_000, maximum: 7 * DAY_MS }) },
      { description: 'Devices that run the model and sent telemetry during the last `withinMs`' },
    ),
  ),
  drift: Type.Optional(Type.Boolean({ description: 'Whether the verdict `drift` on a version is an alert' })),
  requestsMin: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000_000,
      description: 'Events that a window must hold before its burn rate counts',
    }),
  ),
};

/** Body of `PUT /slos/{model}`: an objective that is left out is not watched. */
export const Objectives = Type.Object(objectives, { $id: 'Objectives' });
export type Objectives = Static<typeof Objectives>;

const BurnWindow = Type.Object({
  windowMs: Type.Integer(),
  /** Events, and those that missed the objective. */
  all: Type.Integer(),
  bad: Type.Integer(),
  burnRate: Type.Number({ description: '1: the budget of 30 days is spent in 30 days' }),
});

export const ErrorBudget = Type.Object(
  {
    objective: Type.Enum([...budgetObjectives]),
    target: Type.Number(),
    /** The period that the budget is counted over: 30 days, or as long as telemetry is kept. */
    periodMs: Type.Integer(),
    all: Type.Integer(),
    bad: Type.Integer(),
    left: Type.Number({ description: 'Share of the budget that is left; below 0 when it is overspent' }),
    windows: Type.Array(BurnWindow),
  },
  { $id: 'ErrorBudget' },
);
export type ErrorBudget = Static<typeof ErrorBudget>;

export const SloStatus = Type.Object(
  {
    model: ModelName,
    group: Type.Optional({ ...GroupName, description: 'Absent: on all devices' }),
    source: Type.Enum(['manifest', 'set'], {
      description: '`manifest`: the objectives are those of the version that most devices run',
    }),
    objectives: Type.Object(objectives),
    evaluatedAt: Milliseconds,
    /** One for each objective with a budget. */
    budgets: Type.Array(ErrorBudget),
    freshness: Type.Optional(
      Type.Object({
        target: Type.Number(),
        withinMs: Type.Integer(),
        devices: Type.Integer({ description: 'Devices that run the model and that no rollout is updating' }),
        fresh: Type.Integer(),
        updating: Type.Integer(),
        /** False until the hub has run for `withinMs`: what it did not receive before proves nothing. */
        known: Type.Boolean(),
      }),
    ),
    /** Of each version in the last hour and the last day that are over; absent while it is not known, as after a start. */
    drift: Type.Optional(
      Type.Array(
        Type.Object({ version: Type.String(), span: Type.Enum(['hour', 'day']), verdict: DriftVerdict }),
      ),
    ),
  },
  { $id: 'SloStatus' },
);
export type SloStatus = Static<typeof SloStatus>;

/** Answer of `GET /slos`. */
export const SloPage = Type.Object({ slos: Type.Array(SloStatus), next }, { $id: 'SloPage' });
export type SloPage = Static<typeof SloPage>;
