/** Rollouts as operators use them: create, show, pause, resume, abort, roll back. */

import type { Transaction } from 'kysely';
import type { RolloutPlan, RolloutRequest } from '../../shared/api/rollout-plan.ts';
import type {
  Rollout,
  RolloutDevice as RolloutDeviceView,
  RolloutSummary,
} from '../../shared/api/rollouts.ts';
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock, Random } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Tables } from '../db/tables.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import type { Position } from '../http/sorting.ts';
import type { PublishedVersion } from '../models/published-version.ts';
import { orderCohort } from './cohort.ts';
import type { FleetObservation, RolloutDevice } from './device-progress.ts';
import { noSuchRollout } from './no-such-rollout.ts';
import { isPresent } from './phase-members.ts';
import type { RolloutDeviceStore } from './rollout-device-store.ts';
import type {
  RolloutConnections,
  RolloutDownloads,
  RolloutFleet,
  RolloutVersions,
} from './rollout-evidence.ts';
import { isUnderWay, type RolloutAction } from './rollout-machine.ts';
import { observeDownloads } from './rollout-observation.ts';
import { checkStart, makePlan, phaseSizes } from './rollout-plan.ts';
import type { Ending } from './rollout-planner.ts';
import type { RolloutRunner } from './rollout-runner.ts';
import type { RolloutFilter, RolloutRecord, RolloutStore } from './rollout-store.ts';
import { describeDevices, describeRollout, summarizeRollout } from './rollout-view.ts';
import { checkObjections, findBreaking } from './target-check.ts';
import { type SurveySources, surveyTarget } from './target-survey.ts';

export interface RolloutServiceProps {
  readonly store: RolloutStore;
  readonly devices: RolloutDeviceStore;
  readonly runner: RolloutRunner;
  readonly versions: RolloutVersions;
  readonly fleet: RolloutFleet;
  readonly director: SurveySources['director'];
  readonly connections: RolloutConnections;
  readonly downloads: RolloutDownloads;
  readonly audit: Pick<AuditLog, 'append'>;
  readonly clock: Clock;
  readonly random: Random;
}

export interface ActionRequest {
  readonly actor: Actor;
  readonly reason?: string | undefined;
}

export class RolloutService {
  readonly #props: RolloutServiceProps;

  constructor(props: RolloutServiceProps) {
    this.#props = props;
  }

  /**
   * Checks the plan against versions, devices and other rollouts, fixes the order of the devices and starts. Throws
   * `rollout_plan_invalid`, `version_unknown`, `version_withdrawn`, `rollout_target_empty`, `rollout_not_needed`,
   * `rollout_downgrade`, `rollout_target_unfit`, `interface_breaking`, `rollout_overlap`.
   */
  async create(request: RolloutRequest, actor: Actor): Promise<Rollout> {
    const { store, audit, clock, runner } = this.#props;
    const { plan, breaking, warnings, deviceIds } = await this.#check(makePlan(request));
    const what = `${plan.model}@${plan.version}`;
    phaseSizes(plan, deviceIds.length);
    const now = clock.now();
    const by = auditActor(actor);
    const record: RolloutRecord = {
      id: this.#newId(),
      plan,
      status: 'scheduled',
      progress: {
        phase: 0,
        startedAt: null,
        phaseStartedAt: null,
        endedAt: null,
        ending: null,
        reason: null,
        verdictKey: null,
      },
      createdAt: now,
      createdBy: by.actor,
      updatedAt: now,
    };
    await store.transaction(async (tx) => {
      await this.#checkFree(`roll out ${what}`, record, deviceIds, tx);
      await store.insert(record, tx);
      await this.#props.devices.insert(record.id, orderCohort(record.id, deviceIds), record.createdAt, tx);
      await audit.append(
        {
          ...by,
          action: 'rollout.created',
          target: `rollout/${record.id}`,
          details: {
            model: plan.model,
            version: plan.version,
            devices: deviceIds.length,
            plan,
            ...(breaking.length > 0 ? { breaking } : {}),
            ...(warnings.length > 0 ? { warnings } : {}),
          },
        },
        tx,
      );
    });
    await runner.evaluate(record.id);
    return { ...(await this.show(record.id)), ...(warnings.length > 0 ? { warnings: [...warnings] } : {}) };
  }

  /** Newest first. */
  async list(filter: RolloutFilter): Promise<RolloutSummary[]> {
    return (await this.#props.store.list(filter)).map(summarizeRollout);
  }

  /** Throws `not_found`. */
  async show(id: string): Promise<Rollout> {
    const { store, runner } = this.#props;
    const record = await store.find(id);
    if (!record) throw noSuchRollout(`show rollout "${id}"`);
    const devices = await this.#props.devices.list(id);
    const verdicts = await store.verdicts(id, limits.rolloutVerdictsShownMax + 1);
    const failure = runner.failureOf(id);
    return {
      ...describeRollout(record, devices, verdicts, this.#observe(devices)),
      ...(failure ? { trouble: failure } : {}),
    };
  }

  /** Some devices of a rollout, in the order of `position`. Throws `not_found`. */
  async devices(
    id: string,
    page: { readonly position: Position; readonly limit: number },
  ): Promise<RolloutDeviceView[]> {
    const { store, devices } = this.#props;
    const record = await store.find(id);
    if (!record) throw noSuchRollout(`list the devices of rollout "${id}"`);
    const found = await devices.page(id, page);
    const ascending = page.position.isDescending ? found.toReversed() : found;
    const present = await devices.countPresent(id, ascending[0]?.ordinal ?? 0);
    const views = describeDevices(record.plan, { devices: ascending, present }, this.#observe(found));
    return page.position.isDescending ? views.reverse() : views;
  }

  #observe(devices: readonly RolloutDevice[]): FleetObservation {
    const { connections, downloads, clock, runner } = this.#props;
    return {
      now: clock.now(),
      connected: new Set(devices.map((d) => d.deviceId).filter((d) => connections.isConnected(d))),
      watchingSince: runner.watchingSince,
      downloads: observeDownloads(devices, downloads),
    };
  }

  /** Stops offering and withdraws the offers that devices have not switched to. */
  pause(id: string, request: ActionRequest): Promise<Rollout> {
    return this.#action(id, 'pause', request);
  }

  /** Offers again what the pause withdrew. Gates are judged again: a failure that persists pauses it again. */
  resume(id: string, request: ActionRequest): Promise<Rollout> {
    return this.#action(id, 'resume', request);
  }

  /** Ends it. Devices that switched to the version go back to what they ran before, unless `keep` is true. */
  abort(
    id: string,
    { keep, ...request }: ActionRequest & { readonly keep?: boolean | undefined },
  ): Promise<Rollout> {
    return this.#action(id, 'abort', request, keep ? 'keep' : 'revert');
  }

  /**
   * Rolls the version back on every device that has it, also after the rollout has ended. Throws `rollout_overlap`
   * while another rollout of the model steers some of its devices: the rollback would be incomplete.
   */
  async rollback(id: string, request: ActionRequest): Promise<Rollout> {
    const { store } = this.#props;
    const record = await store.find(id);
    if (record !== undefined && !isUnderWay(record.status)) {
      const offered = (await this.#props.devices.list(id)).filter(
        (d) => d.offeredAt !== null && isPresent(d),
      );
      const deviceIds = offered.map(({ deviceId }) => deviceId);
      await store.transaction((tx) => this.#checkFree(`roll back "${id}"`, record, deviceIds, tx));
    }
    return this.#action(id, 'rollback', request);
  }

  async #action(
    id: string,
    action: RolloutAction,
    { actor, reason }: ActionRequest,
    ending?: Ending,
  ): Promise<Rollout> {
    const by = auditActor(actor);
    await this.#props.runner.action(id, action, {
      by,
      reason: reason ?? `asked for by ${by.actor}`,
      ...(ending ? { ending } : {}),
    });
    return this.show(id);
  }

  /** The checks that need no transaction: the version, its target, and the two together. */
  async #check(asked: RolloutPlan) {
    const { fleet, director, versions, clock } = this.#props;
    checkStart(asked, clock.now());
    const what = `${asked.model}@${asked.version}`;
    const published = await this.#findVersion(asked, what);
    const deviceIds = await this.#findTarget(asked, what);
    const survey = await surveyTarget(
      published,
      { group: asked.group, now: clock.now() },
      { fleet, director },
    );
    if (survey.runsEverywhere) {
      const target = asked.group === undefined ? 'the hub' : `group "${asked.group}"`;
      throw new AppError(
        'rollout_not_needed',
        `Cannot roll out ${what}: every device of ${target} already runs it.`,
      );
    }
    const warnings = checkObjections(what, survey);
    const breaking = await findBreaking(published, survey, versions);
    if (breaking.length > 0 && !asked.trial.breaking) {
      throw new AppError(
        'interface_breaking',
        `Cannot roll out ${what}: it breaks ${breaking.join('; and ')}. If the clients change together with the model, repeat with --breaking.`,
        { details: { changes: breaking } },
      );
    }
    // A plan that allows breaking clients and breaks none is judged like any other.
    const { breaking: _, ...trial } = asked.trial;
    const plan: RolloutPlan = breaking.length > 0 ? asked : { ...asked, trial };
    return { plan, breaking, warnings, deviceIds };
  }

  async #findVersion(plan: RolloutPlan, what: string): Promise<PublishedVersion> {
    const published = await this.#props.versions.find(plan.model, plan.version);
    if (!published) {
      throw new AppError('version_unknown', `Cannot roll out ${what}: no such version is published.`);
    }
    if (published.withdrawn) {
      throw new AppError(
        'version_withdrawn',
        `Cannot roll out ${what}: the publisher withdrew it (${published.withdrawn.reason}).`,
      );
    }
    const inputs = published.manifest.profile?.features.filter((feature) => feature.role === 'input') ?? [];
    if (plan.gates.drift !== 'ignore' && inputs.length === 0) {
      throw new AppError(
        'rollout_plan_invalid',
        `Cannot use this plan: it has a drift gate, but ${what} has no reference profile of its inputs.`,
      );
    }
    return published;
  }

  async #findTarget(plan: RolloutPlan, what: string): Promise<readonly string[]> {
    const { fleet } = this.#props;
    const deviceIds = await fleet.idsInGroup(plan.group);
    const target = plan.group === undefined ? 'the hub' : `group "${plan.group}"`;
    if (deviceIds.length === 0) {
      throw new AppError('rollout_target_empty', `Cannot roll out ${what}: ${target} has no devices.`);
    }
    if (deviceIds.length > limits.devicesPerRolloutMax) {
      throw new AppError(
        'too_large',
        `Cannot roll out ${what}: ${target} has ${deviceIds.length} devices, but at most ${limits.devicesPerRolloutMax} are allowed in one rollout.`,
      );
    }
    return deviceIds;
  }

  /** Throws `rollout_overlap` when another rollout that has not ended holds one of the devices. */
  async #checkFree(
    action: string,
    { id, plan }: RolloutRecord,
    deviceIds: readonly string[],
    tx: Transaction<Tables>,
  ): Promise<void> {
    const wanted = new Set(deviceIds);
    for (const holder of await this.#props.devices.holders(plan.model, tx)) {
      const shared = holder.deviceIds.filter((device) => wanted.has(device));
      if (holder.rolloutId === id || shared.length === 0) continue;
      throw new AppError(
        'rollout_overlap',
        `Cannot ${action}: rollout "${holder.rolloutId}" of the same model is ${holder.status} on ${shared.length} of the ${deviceIds.length} devices, such as "${shared[0]}".`,
        { details: { rollout: holder.rolloutId, devices: shared.length } },
      );
    }
  }

  #newId(): string {
    const digits = Array.from({ length: 12 }, () => Math.floor(this.#props.random() * 16).toString(16));
    return `r-${digits.join('')}`;
  }
}
