/**
 * Lets a device try again what it has quarantined or refused. The release is part of the device's signed desired state: so it is
 * authentic, idempotent, and reaches a device that is offline now.
 */
import { AppError } from '../../shared/base/app-error.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { DeviceService } from '../devices/device-service.ts';
import { type Actor, auditActor } from '../http/request-actor.ts';
import type { DesiredStore } from './desired-store.ts';
import { deviceNotReported } from './device-not-reported.ts';
import type { Director } from './director.ts';

export interface ReleaseServiceProps {
  readonly store: DesiredStore;
  readonly director: Director;
  readonly devices: Pick<DeviceService, 'report'>;
  readonly audit: AuditLog;
}

export interface Release {
  readonly device: string;
  readonly model: string;
  /** Desired state the release is in; it is done when the device reports as much. */
  readonly sequence: number;
  /** Versions the device last reported as quarantined. */
  readonly quarantined: readonly string[];
}

export class ReleaseService {
  readonly #props: ReleaseServiceProps;

  constructor(props: ReleaseServiceProps) {
    this.#props = props;
  }

  /** Throws `not_found` when there is no such device, or the model is known on it to neither device nor hub; `device_not_reported` when a restore made that unknown. */
  async release(deviceId: string, model: string, actor: Actor): Promise<Release> {
    const { store, director, devices, audit } = this.#props;
    const device = await devices.report(deviceId);
    if (!device) {
      throw new AppError('not_found', `Cannot release "${model}" on "${deviceId}": no device has this id.`);
    }
    const models = device.reported?.models ?? [];
    const reported = models.find((one) => one.model === model);
    const isDesired = (await director.current(model, [deviceId])).has(deviceId);
    if (reported === undefined && !isDesired) {
      if (device.isReportLost)
        throw deviceNotReported(`release "${model}" on "${deviceId}"`, `"${deviceId}"`);
      const names = models.map((one) => one.model).join(', ') || 'none';
      throw new AppError(
        'not_found',
        `Cannot release "${model}" on "${deviceId}": the device has no such model (it has ${names}).`,
      );
    }
    const quarantined = (reported?.quarantined ?? []).map(({ version }) => version);
    const sequence = await store.transaction(async (tx) => {
      const at = await director.release(deviceId, model, tx);
      await audit.append(
        {
          ...auditActor(actor),
          action: 'device.released',
          target: `device/${deviceId}`,
          details: { model, quarantined, sequence: at },
        },
        tx,
      );
      return at;
    });
    await director.publish([deviceId]);
    return { device: deviceId, model, sequence, quarantined };
  }
}
