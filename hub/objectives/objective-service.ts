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
import type { AuditLog } from '../audit/audit-log.ts';
import type { VersionCount } from '../devices/fleet-census.ts';
import type { AssessedVersion } from '../drift/drift-watch.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import { budgetLeft, budgetPeriodMs, burnRate, burnWindowsMs, type EventCounts } from './burn-rate.ts';
import { defaultObjectives } from './default-objectives.ts';
import type { ObjectiveStore } from './objective-store.ts';
import type { ReportTimes } from './report-times.ts';
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
  readonly drift: { assessed(): readonly AssessedVersion[] };
  /** Devices that a rollout of the model under way is updating: they restart runners and agents, and that is planned. */
  readonly updating: (model: string) => Promise<ReadonlySet<string>>;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly telemetryKeptMs: number;
}

export interface Evaluation {
  readonly statuses: readonly SloStatus[];
  /** Models that could not be evaluated, with the error. */
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

  /** As of the last evaluation, by model. */
  latest(): readonly SloStatus[] {
    return this.#latest;
  }

  /** Every model that devices run or that objectives were set for. What fails for one model is that model's alone. */
  async evaluateAll(): Promise<Evaluation> {
    const { store, models, census } = this.#props;
    const running = await models.published(census.versions());
    const names = new Set([...running.map(({ model }) => model), ...(await store.models())]);
    const statuses: SloStatus[] = [];
    const failed = new Map<string, unknown>();
    for (const model of [...names].sort()) {
      const begun = performance.now();
      try {
        statuses.push(await this.#evaluate(model, { running, anew: false }));
      } catch (error) {
        failed.set(model, error);
      }
      // As long as it worked: many models never take more than half of the event loop.
      await wait(performance.now() - begun);
    }
    this.#counts.forgetAllBut(names);
    this.#latest = statuses;
    return { statuses, failed };
  }

  /** Throws `not_found`. */
  async show(model: string): Promise<SloStatus> {
    await this.#require(model, 'show the objectives');
    const running = await this.#props.models.published(this.#props.census.versions());
    return this.#evaluate(model, { running, anew: true });
  }

  /** Throws `not_found`. */
  async set(model: string, objectives: Objectives, actor: Actor): Promise<SloStatus> {
    const { store, audit, clock } = this.#props;
    await this.#require(model, 'set the objectives');
    await store.transaction(async (tx) => {
      await store.set(model, objectives, clock.now(), tx);
      await audit.append(
        { ...auditActor(actor), action: 'objectives.set', target: `model/${model}`, details: objectives },
        tx,
      );
    });
    return this.show(model);
  }

  /** Those of the manifest hold again. Throws `not_found` for an unknown model. */
  async reset(model: string, actor: Actor): Promise<void> {
    const { store, audit } = this.#props;
    await this.#require(model, 'reset the objectives');
    await store.transaction(async (tx) => {
      if (!(await store.remove(model, tx))) return;
      await audit.append({ ...auditActor(actor), action: 'objectives.reset', target: `model/${model}` }, tx);
    });
  }

  async #require(model: string, what: string): Promise<void> {
    if (await this.#props.models.isKnown(model)) return;
    throw new AppError('not_found', `Cannot ${what} of "${model}": no model has this name.`);
  }

  async #evaluate(
    model: string,
    { running, anew }: { readonly running: readonly VersionCount[]; readonly anew: boolean },
  ): Promise<SloStatus> {
    const { store, clock } = this.#props;
    const now = clock.now();
    const set = await store.find(model);
    const objectives = set ?? (await this.#defaults(model, running));
    const budgets: ErrorBudget[] = [];
    for (const objective of budgetObjectives) {
      const target = objectives[objective]?.target;
      if (target === undefined) continue;
      const countsOf = async (windowMs: number) =>
        eventsOf(objective, objectives, await this.#counts.of(model, windowMs, { now, anew }));
      budgets.push(await this.#budget(objective, target, countsOf));
    }
    const { freshness } = objectives;
    return {
      model,
      source: set ? 'set' : 'manifest',
      objectives,
      evaluatedAt: now,
      budgets,
      ...(freshness ? { freshness: await this.#freshness(model, freshness) } : {}),
      ...(objectives.drift ? { drift: this.#drift(model) } : {}),
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

  #drift(model: string): NonNullable<SloStatus['drift']> {
    return this.#props.drift
      .assessed()
      .filter(({ report }) => report.model === model)
      .map(({ span, report: { version, verdict } }) => ({ version, span, verdict }));
  }
}
