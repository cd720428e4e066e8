/**
 * How much each device counts in a figure of many. The unit of evidence is the device and not the request: requests of one
 * device resemble each other (A. Deng, U. Knoblich, J. Lu, "Applying the Delta Method in Metric Analytics", KDD 2018, §3),
 * and one device can claim as many as it likes. So each counts with its own amount, but with no more than the median device:
 *
 *   weight_i = min(amount_i, cap), cap = lower median of the amounts of the devices with evidence
 *
 * A device has evidence when its amount is at least an equal part of what is wanted of all, wanted / devices; those with less
 * count with their amount and set no cap. Of n devices with evidence at least ⌊n/2⌋ + 1 count with the cap, so that none
 * has more than 1 / (⌊n/2⌋ + 1) of the weight: at most twice an equal share, and never more than another one beside it.
 */
export interface CappedWeights {
  /** The most that a device counts with. */
  readonly cap: number;
  /** Devices with evidence. */
  readonly withEvidence: number;
  /** Sum of the weights. */
  readonly counted: number;
}

/**
 * The same for units that are known by class alone: `units` of them with about the same `amount` each. The classes are in ascending order
 * of their amounts; `counted` takes each unit for one of its class's mean. `all`: units that could bring
 * something.
 */
export function weightedMedianCap(
  classes: readonly { readonly units: number; readonly amount: number }[],
  wanted: number,
  all = classes.reduce((sum, { units }) => sum + units, 0),
): CappedWeights {
  const part = Math.max(1, wanted / Math.max(1, all));
  const enough = classes.filter(({ amount }) => amount >= part);
  const withEvidence = enough.reduce((sum, { units }) => sum + units, 0);
  let below = 0;
  const median = enough.find(({ units }) => {
    below += units;
    return below > Math.floor((withEvidence - 1) / 2);
  });
  const cap = median?.amount ?? part;
  const counted = classes.reduce((sum, { units, amount }) => sum + units * Math.min(amount, cap), 0);
  return { cap, withEvidence, counted };
}

/** `amounts`: what each device brings, one entry for each device that could bring something. */
export function capWeights(amounts: readonly number[], wanted: number): CappedWeights {
  const part = Math.max(1, wanted / Math.max(1, amounts.length));
  const enough = amounts.filter((amount) => amount >= part).sort((a, b) => a - b);
  // Without evidence the sum stays below what is wanted, whatever the cap.
  const cap = enough[Math.floor((enough.length - 1) / 2)] ?? part;
  const counted = amounts.reduce((sum, amount) => sum + Math.min(amount, cap), 0);
  return { cap, withEvidence: enough.length, counted };
}
