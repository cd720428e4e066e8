/** Devices in a sentence: the first few by name, the rest as a number. */
import { limits } from '../../shared/base/limits.ts';

/** `"a", "b" and 3 more`. Of `names`, as many as may be named are shown; `total` is how many there are. */
export function nameDevices(names: readonly string[], total = names.length): string {
  const shown = names.slice(0, limits.devicesNamedMax);
  const more = total - shown.length;
  return `${shown.map((name) => `"${name}"`).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
