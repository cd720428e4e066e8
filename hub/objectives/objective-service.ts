/** Service level objectives: sets them, and evaluates what is left of their error budgets. */
import { setTimeout as wait } from 'node:timers/promises';
import {
  type BudgetObjective,
  budgetObjectives,
  type ErrorBudget,
  type Objectives,
  type SloStatus,
} from '../../shared/api/slos.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { VersionCount } from '../devices/fleet-census.ts';
import type { AssessedVersion } from '../drift/drift-watch.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import { budgetLeft, budgetPeriodMs, burnRate, burnWindowsMs, type EventCounts } from './burn-rate.ts';
import { defaultObjectives } from './default-objectives.ts';
import type { ObjectiveStore } from './objective-store.ts';
import type { ReportTimes } from './report-times.ts';
import { type SloScope, subjectOf } from './slo-scope.ts';
import { type CountedTelemetry, eventsOf, WindowCounts } from './window-counts.ts';

export interface ObjectiveServiceProps {
  readonly store: ObjectiveStore;
  readonly telemetry: CountedTelemetry;
  readonly models: {
    find(model: string, version: string): Promise<PublishedVersion | undefined>;
    isKnown(model: string): Promise<boolean>;
    published(versions: readonly VersionCount[]): Promise<readonly VersionCount[]>;
  };
  readonly census: {
    versions(): readonly VersionCount[];
    running(): Iterable<{ readonly deviceId: string; readonly model: string }>;
  };
  readonly reportTimes: Pick<ReportTimes, 'isKnown' | 'isFresh'>;
  readonly drift: { assessed(): readonly AssessedVersion[]; isKnown(model: string): boolean };
  /** Devices that a rollout of the model under way is updating: they restart runners and agents, and that is planned. */
  readonly updating: (model: string) => Promise<ReadonlySet<string>>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly telemetryKeptMs: number;
}

export interface Evaluation {
  readonly statuses: readonly SloStatus[];
  /** Subjects that could not be evaluated, with the error. */
  readonly failed: ReadonlyMap<string, unknown>;
}

export class ObjectiveService {
  readonly #props: ObjectiveServiceProps;
  readonly #counts: WindowCounts;
  #latest: readonly SloStatus[] = [];

  constructor(props: ObjectiveServiceProps) {
    this.#props = props;
    this.#counts = new WindowCounts(props.telemetry);
  }

  /** As of the last evaluation, by model and group. */
  latest(): readonly SloStatus[] {
    return this.#latest;
  }

  /** Every model that devices run and all that objectives were set for. What fails for one is that one's alone. */
  async evaluateAll(): Promise<Evaluation> {
    const { store, models, census } = this.#props;
    const running = await models.published(census.versions());
    const scopes = new Map(
      [...running.map(({ model }) => ({ model })), ...(await store.scopes())].map((scope) => [
        subjectOf(scope),
        scope,
      ]),
    );
    const statuses: SloStatus[] = [];
    const failed = new Map<string, unknown>();
    for (const subject of [...scopes.keys()].sort()) {
      const begun = performance.now();
      try {
        statuses.push(await this.#evaluate(scopes.get(subject)!, { running, anew: false }));
      } catch (error) {
        failed.set(subject, error);
      }
      // As long as it worked: many models never take more than half of the event loop.
      await wait(performance.now() - begun);
    }
    this.#counts.forgetAllBut(new Set(scopes.keys()));
    this.#latest = statuses;
    return { statuses, failed };
  }

  /** A group has only objectives that were set. Throws `not_found`. */
  async show(scope: SloScope): Promise<SloStatus> {
    const { models, census, store } = this.#props;
    await this.#require(scope, 'show the objectives');
    if (scope.group !== undefined && !(await store.find(scope))) {
      throw new AppError(
        'not_found',
        `Cannot show the objectives of "${scope.model}" in group "${scope.group}": none were set.`,
      );
    }
    const running = await models.published(census.versions());
    return this.#evaluate(scope, { running, anew: true });
  }

  /** Throws `not_found`, `bad_input` for objectives that a group cannot have, and `too_large` when there are too many. */
  async set(scope: SloScope, objectives: Objectives, actor: Actor): Promise<SloStatus> {
    const { store, audit, clock } = this.#props;
    await this.#require(scope, 'set the objectives');
    if (scope.group !== undefined && (objectives.freshness || objectives.drift)) {
      throw new AppError(
        'bad_input',
        `Cannot set the objectives of "${scope.model}" in group "${scope.group}": freshness and drift are of a model on all devices.`,
      );
    }
    if ((await store.scopes()).length >= limits.objectivesSetMax && !(await store.find(scope))) {
      throw new AppError(
        'too_large',
        `Cannot set the objectives of "${subjectOf(scope)}": ${limits.objectivesSetMax} models and groups have some already, the maximum. Reset some first.`,
      );
    }
    await store.transaction(async (tx) => {
      await store.set(scope, objectives, clock.now(), tx);
      const target = `model/${subjectOf(scope)}`;
      await audit.append({ ...auditActor(actor), action: 'objectives.set', target, details: objectives }, tx);
    });
    return this.show(scope);
  }

  /** Those of the manifest hold again; a group has none then. Throws `not_found` for an unknown model. */
  async reset(scope: SloScope, actor: Actor): Promise<void> {
    const { store, audit } = this.#props;
    await this.#require(scope, 'reset the objectives');
    await store.transaction(async (tx) => {
      if (!(await store.remove(scope, tx))) return;
      const target = `model/${subjectOf(scope)}`;
      await audit.append({ ...auditActor(actor), action: 'objectives.reset', target }, tx);
    });
  }

  async #require({ model }: SloScope, what: string): Promise<void> {
    if (await this.#props.models.isKnown(model)) return;
    throw new AppError('not_found', `Cannot ${what} of "${model}": no model has this name.`);
  }

  async #evaluate(
    scope: SloScope,
    { running, anew }: { readonly running: readonly VersionCount[]; readonly anew: boolean },
  ): Promise<SloStatus> {
    const { store, clock } = this.#props;
    const { model, group } = scope;
    const now = clock.now();
    const set = await store.find(scope);
    const objectives = set ?? (await this.#defaults(model, running));
    const budgets: ErrorBudget[] = [];
    for (const objective of budgetObjectives) {
      const target = objectives[objective]?.target;
      if (target === undefined) continue;
      const countsOf = async (windowMs: number) =>
        eventsOf(objective, objectives, await this.#counts.of(scope, windowMs, { now, anew }));
      budgets.push(await this.#budget(objective, target, countsOf));
    }
    const { freshness } = objectives;
    return {
      model,
      ...(group === undefined ? {} : { group }),
      source: set ? 'set' : 'manifest',
      objectives,
      evaluatedAt: now,
      budgets,
      ...(freshness ? { freshness: await this.#freshness(model, freshness) } : {}),
      ...(objectives.drift ? this.#drift(model) : {}),
    };
  }

  /** What the version promises that most devices run. */
  async #defaults(model: string, running: readonly VersionCount[]): Promise<Objectives> {
    const [main] = running
      .filter((one) => one.model === model && one.state === 'active')
      .sort((a, b) => b.devices - a.devices);
    const version = main && (await this.#props.models.find(model, main.version));
    return version ? defaultObjectives(version.manifest) : {};
  }

  async #budget(
    objective: BudgetObjective,
    target: number,
    countsOf: (windowMs: number) => Promise<EventCounts>,
  ): Promise<ErrorBudget> {
    const windows: ErrorBudget['windows'] = [];
    for (const windowMs of burnWindowsMs) {
      const counts = await countsOf(windowMs);
      windows.push({ windowMs, ...counts, burnRate: burnRate(counts, target) });
    }
    const periodMs = Math.min(budgetPeriodMs, this.#props.telemetryKeptMs);
    const counts = await countsOf(periodMs);
    return { objective, target, periodMs, ...counts, left: budgetLeft(counts, target), windows };
  }

  async #freshness(
    model: string,
    { target, withinMs }: NonNullable<Objectives['freshness']>,
  ): Promise<NonNullable<SloStatus['freshness']>> {
    const { census, reportTimes, updating } = this.#props;
    const inRollout = await updating(model);
    const counts = { devices: 0, fresh: 0, updating: 0 };
    for (const { deviceId, model: active } of census.running()) {
      if (active !== model) continue;
      if (inRollout.has(deviceId)) counts.updating += 1;
      else {
        counts.devices += 1;
        if (reportTimes.isFresh(deviceId, withinMs)) counts.fresh += 1;
      }
    }
    return { target, withinMs, ...counts, known: reportTimes.isKnown(withinMs) };
  }

  #drift(model: string): Pick<SloStatus, 'drift'> {
    const { drift } = this.#props;
    const found = drift
      .assessed()
      .filter(({ report }) => report.model === model)
      .map(({ span, report: { version, verdict } }) => ({ version, span, verdict }));
    const isConclusive = drift.isKnown(model) || found.some(({ verdict }) => verdict === 'drift');
    return isConclusive ? { drift: found } : {};
  }
}
