/**
 * An identity whose files were damaged or lost after the device was enrolled. It reaches no hub, and nothing is accepted in
 * its name; what the device has is served all the same (promise P2), and the connection says why there is none.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { type DeviceIdentity, loadIdentity, readDeviceFile } from './identity.ts';

/**
 * The identity, with `damage` when it cannot be used. Throws `not_enrolled` when there is none and `hasVersions` is false: then
 * it is not damage, and there is nothing to serve.
 */
export async function loadIdentityOrDamage(
  dataFolder: string,
  hasVersions: boolean,
): Promise<DeviceIdentity> {
  try {
    return await loadIdentity(dataFolder);
  } catch (damage) {
    if (!(damage instanceof AppError) || (damage.code === 'not_enrolled' && !hasVersions)) throw damage;
    const device = await readDeviceFile(dataFolder).catch(() => nobody);
    const nothing = { keyPem: '', certificatePem: '', caPem: '' };
    return { ...device, ...nothing, certificateFrom: 0, certificateExpiresAt: END_OF_TIME, damage };
  }
}

/** The latest time a date can hold: what is not known does not end. */
const END_OF_TIME = 8.64e15;
const nobody = { v: 1, device: 'unknown', group: 'unknown', hub: '', mqtt: { host: '', port: 1 } } as const;
