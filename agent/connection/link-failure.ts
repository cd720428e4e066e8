/** Why a connection to the hub ended or could not be made, as text for an operator. */
import { errorText } from '../../shared/base/app-error.ts';

/** MQTT 3.1.1 CONNACK codes by which a hub refuses a device that is not, or no longer, one of its own. */
const REFUSED = [2, 4, 5];

/** A sentence. */
export function linkFailureText(error: unknown): string {
  if (isRefusedByHub(error)) {
    return 'the hub refuses this device: an operator removed it, or another machine enrolled under its id. Enrol it again: modelfleet-agent enrol --force.';
  }
  const text = errorText(error);
  return text.endsWith('.') ? text : `${text}.`;
}

/** True when the hub answered and said no to this device. */
export function isRefusedByHub(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'number' && REFUSED.includes(code);
}
