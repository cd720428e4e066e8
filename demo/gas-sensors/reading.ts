/** One hour of the gas-sensor device: what its eight channels read, and what the reference analyser beside it measured. */

/** Channels in the order of the models' input, named as in the UCI Air Quality data set. */
export const channels = [
  'PT08.S1(CO)',
  'PT08.S2(NMHC)',
  'PT08.S3(NOx)',
  'PT08.S4(NO2)',
  'PT08.S5(O3)',
  'T',
  'RH',
  'AH',
] as const;

/** Column of the temperature, in °C. */
export const temperatureColumn = channels.indexOf('T');

export interface Reading {
  /** The hour it belongs to, milliseconds since the epoch. */
  readonly at: number;
  /** One value a channel; NaN where the device gave none. */
  readonly sensors: readonly number[];
  /** Carbon monoxide of the reference analyser in mg/m³; NaN where it gave none. */
  readonly coMgM3: number;
}

/** Readings of [from, to), given as `YYYY-MM` or `YYYY-MM-DD`, UTC. */
export function readingsBetween(readings: readonly Reading[], from: string, to: string): Reading[] {
  const [start, end] = [Date.parse(from), Date.parse(to)];
  return readings.filter(({ at }) => at >= start && at < end);
}

/** Readings in which every channel has a value. */
export function withAllSensors(readings: readonly Reading[]): Reading[] {
  return readings.filter(({ sensors }) => !sensors.some(Number.isNaN));
}

/** Readings from which a model can learn: every channel and the reference have a value. */
export function withReference(readings: readonly Reading[]): Reading[] {
  return withAllSensors(readings).filter(({ coMgM3 }) => !Number.isNaN(coMgM3));
}
