/**
 * Unassigns a model from a device, or from every device of a group: the desired state no longer wants it there, and the devices
 * stop serving and delete it. The signed desired state carries this, so it reaches a device that is offline now.
 */
import type { Transaction } from 'kysely';
import { AppError, errorText, isAppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Tables } from '../db/tables.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import type { DesiredStore } from './desired-store.ts';
import { nameDevices } from './device-names.ts';
import { deviceNotReported } from './device-not-reported.ts';
import type { Assigned, Director } from './director.ts';
import type { RolloutDeviceStore } from './rollout-device-store.ts';
import type { RolloutFleet } from './rollout-evidence.ts';

export interface UnassignServiceProps {
  readonly rollouts: Pick<RolloutDeviceStore, 'holders'>;
  readonly store: DesiredStore;
  readonly director: Director;
  readonly fleet: Pick<RolloutFleet, 'report' | 'reports'>;
  readonly audit: Pick<AuditLog, 'append'>;
}

export interface Unassigned {
  readonly model: string;
  /** How many devices are to delete it. */
  readonly devices: number;
  /** Devices whose desired state could not be signed, the first of them by name, with the reason. */
  readonly failed: readonly { readonly device: string; readonly code: string; readonly message: string }[];
}

/** Of one device, or of every device of a group. */
export type UnassignTarget = { readonly device: string } | { readonly group: string };

const PAGE = 200;

export class UnassignService {
  readonly #props: UnassignServiceProps;

  constructor(props: UnassignServiceProps) {
    this.#props = props;
  }

  /**
   * Throws `not_found` when there is no such device, or no device of the target has the model; `device_not_reported` when that is not known; `rollout_overlap` while a rollout of
   * the model that has not ended holds one of them.
   */
  async unassign(model: string, target: UnassignTarget, actor: Actor): Promise<Unassigned> {
    const { director } = this.#props;
    const what = `take "${model}" off ${'device' in target ? `"${target.device}"` : `group "${target.group}"`}`;
    const { deviceIds, unreported } = await this.#holders(model, target, what);
    const failed: Unassigned['failed'][number][] = unreported.map((device) => {
      const { code, message } = deviceNotReported(what, nameDevices([device]));
      return { device, code, message };
    });
    let devices = 0;
    for (let at = 0; at < deviceIds.length; at += limits.rolloutChangesPerStepMax) {
      const batch = deviceIds.slice(at, at + limits.rolloutChangesPerStepMax);
      const { sequences, failures } = await this.#commit(model, batch, { target, what, actor });
      await director.publish([...sequences.keys()]);
      devices += sequences.size;
      for (const [device, error] of failures) {
        const code = isAppError(error) ? error.code : 'internal';
        failed.push({ device, code, message: errorText(error) });
      }
    }
    return { model, devices, failed: failed.slice(0, limits.rolloutDevicesNamedMax) };
  }

  /** A model that a report after the statement does not name is not on the device any more. */
  async handleReport(
    deviceId: string,
    reported: Pick<ReportedState, 'sequence' | 'models'>,
    tx: Transaction<Tables>,
  ): Promise<void> {
    const { store } = this.#props;
    const has = new Set(reported.models.map(({ model }) => model));
    const gone = (await store.unassigned(deviceId, tx))
      .filter((row) => row.sequence <= reported.sequence && !has.has(row.model))
      .map((row) => row.model);
    if (gone.length > 0) await store.endUnassigned(deviceId, gone, tx);
  }

  #commit(
    model: string,
    deviceIds: readonly string[],
    {
      target,
      what,
      actor,
    }: { readonly target: UnassignTarget; readonly what: string; readonly actor: Actor },
  ): Promise<Assigned> {
    const { rollouts, store, director, audit } = this.#props;
    return store.transaction(async (tx) => {
      const wanted = new Set(deviceIds);
      for (const holder of await rollouts.holders(model, tx)) {
        const held = holder.deviceIds.filter((id) => wanted.has(id));
        if (held.length === 0) continue;
        throw new AppError(
          'rollout_overlap',
          `Cannot ${what}: rollout "${holder.rolloutId}" of the model is ${holder.status} on ${nameDevices(held)}.`,
          { details: { rollout: holder.rolloutId, devices: held.length } },
        );
      }
      const assignments = deviceIds.map((deviceId) => ({ deviceId, model, unassigned: true }));
      const assigned = await director.assignEach(assignments, tx);
      await audit.append(
        {
          ...auditActor(actor),
          action: 'model.unassigned',
          target: `model/${model}`,
          details: { ...target, devices: assigned.sequences.size, of: nameDevices(deviceIds) },
        },
        tx,
      );
      return assigned;
    });
  }

  /** Devices of the target that have the model, as reported or desired, and those for which a restore made it unknown. */
  async #holders(
    model: string,
    target: UnassignTarget,
    what: string,
  ): Promise<{ readonly deviceIds: readonly string[]; readonly unreported: readonly string[] }> {
    const { fleet, director } = this.#props;
    const found: string[] = [];
    const unreported: string[] = [];
    for (let after = ''; ; ) {
      const page =
        'group' in target
          ? await fleet.reports({ group: target.group, after, limit: PAGE })
          : [await fleet.report(target.device)].filter((one) => one !== undefined);
      const ids = page.map(({ id }) => id);
      const desired = await director.current(model, ids);
      for (const report of page) {
        const entry = report.reported?.models.find((one) => one.model === model);
        if (entry !== undefined || desired.has(report.id)) found.push(report.id);
        else if (report.isReportLost) unreported.push(report.id);
      }
      if ('device' in target || page.length < PAGE) {
        if (found.length > 0) return { deviceIds: found, unreported };
        if (unreported.length > 0) throw deviceNotReported(what, nameDevices(unreported));
        const why =
          'device' in target && page.length === 0
            ? 'no device has this id'
            : 'no device of the target has the model';
        throw new AppError('not_found', `Cannot ${what}: ${why}.`);
      }
      after = ids.at(-1)!;
    }
  }
}
