/** Devices in a sentence: the first few by name, the rest as a number. */
import { limits } from '../../shared/base/limits.ts';

export interface NamedDevice {
  readonly id: string;
  /** Shown in parentheses after the name. */
  readonly detail?: string | undefined;
}

/** `"a", "b" (release 5) and 3 more`. Of `devices`, as many as may be named are shown; `total` is how many there are. */
export function nameDevices(devices: readonly (string | NamedDevice)[], total = devices.length): string {
  const shown = devices.slice(0, limits.devicesNamedMax);
  const more = total - shown.length;
  return `${shown.map(nameOf).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function nameOf(device: string | NamedDevice): string {
  if (typeof device === 'string') return `"${device}"`;
  return `"${device.id}"${device.detail === undefined ? '' : ` (${device.detail})`}`;
}
