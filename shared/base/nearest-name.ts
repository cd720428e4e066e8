/** The name that was probably meant: for whoever wrote `grup` where `group` is known. */
import { distance } from 'fastest-levenshtein';
import { limits } from './limits.ts';

/** Of `known`, the one that takes the fewest letters to change; undefined when none comes near. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  if (name.length > limits.nameCharsMax) return undefined;
  let nearest: string | undefined;
  // A third of the letters may be wrong, rounded up: two that changed places in a short name count as two.
  let fewest = Math.ceil(name.length / 3) + 1;
  for (const candidate of known) {
    const changes = distance(name.toLowerCase(), candidate.toLowerCase());
    if (changes >= fewest) continue;
    fewest = changes;
    nearest = candidate;
  }
  return nearest;
}
