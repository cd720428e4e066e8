/**
 * Invented flowers of three kinds of iris: the project brings no data of others. Lengths and widths of sepals and petals in
 * centimetres, each normally distributed around sizes that are plausible for its kind and independent of the others.
 */
import type { Random } from '../../shared/base/clock.ts';
import { normalSource } from '../gas-sensors/normal-source.ts';

export const measures = ['sepal_length', 'sepal_width', 'petal_length', 'petal_width'] as const;
export const kinds = ['setosa', 'versicolor', 'virginica'] as const;

export interface Flower {
  readonly kind: (typeof kinds)[number];
  /** In the order of `measures`, to a millimetre. */
  readonly sizes: readonly number[];
}

const typical: Readonly<Record<Flower['kind'], readonly number[]>> = {
  setosa: [5, 3.5, 1.5, 0.3],
  versicolor: [6, 2.75, 4.25, 1.3],
  virginica: [6.5, 3, 5.5, 2],
};
const spread: Readonly<Record<Flower['kind'], readonly number[]>> = {
  setosa: [0.35, 0.35, 0.15, 0.1],
  versicolor: [0.5, 0.3, 0.4, 0.2],
  virginica: [0.6, 0.3, 0.5, 0.3],
};
const SMALLEST_CM = 0.1;

/** So many flowers of each kind, the kinds by turns. */
export function drawFlowers(perKind: number, random: Random): readonly Flower[] {
  const normal = normalSource(random);
  const draw = (kind: Flower['kind']): Flower => ({
    kind,
    sizes: typical[kind].map((size, index) =>
      Math.max(SMALLEST_CM, Math.round(10 * (size + spread[kind][index]! * normal())) / 10),
    ),
  });
  return Array.from({ length: perKind }, () => kinds.map(draw)).flat();
}
