/** A row of numbers as a line of bars, eight heights of block characters. */

const bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/** From 0, the lowest bar, to `max`; what is not known is a space. */
export function sparkline(values: readonly (number | undefined)[], max: number): string {
  return values.map((value) => (value === undefined ? ' ' : barOf(value, max))).join('');
}

function barOf(value: number, max: number): string {
  if (!(max > 0) || !(value > 0)) return bars[0];
  // What is more than nothing is seen to be.
  const height = Math.max(1, Math.round((value / max) * (bars.length - 1)));
  return bars[Math.min(height, bars.length - 1)]!;
}
