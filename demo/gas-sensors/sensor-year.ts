/**
 * A seeded year of hourly readings of five metal-oxide gas sensors with temperature and humidity, and of a reference CO
 * analyser. Same seed, same year.
 *
 * Each metal-oxide sensor answers by the power law for mixtures of reducing gases (Clifford and Tuma, Sensors and
 * Actuators 3 (1982/83) 233–254): with partial concentrations cᵢ and cross-sensitivities γᵢ,
 *
 *   G = B·(1 + K·(Σ γᵢ·cᵢ)^β)                       (a sensor for oxidising gases: B / (1 + K·(…)^β))
 *
 * times the drift of its environment, exponential in temperature and a power of vapour pressure (the form of the
 * makers' data sheets; Sohn et al., Sensors and Actuators B 131 (2008) 230–235):
 *
 *   · exp(a·(T − 20)) · (AH/1.0)^b
 *
 * and both baseline and sensitivity age with the months, as found on sensors left in the field for years (Romain and
 * Nicolas, Sensors and Actuators B 146 (2010) 502–506; De Vito et al., Sensors and Actuators B 129 (2008) 750–757, who
 * describe the data set whose channels these are named after):
 *
 *   B(t) = B₀·(1 + d_B·s(t)),   K(t) = K₀·exp(−d_K·s(t)),   s(t) = 1 − exp(−t/τ),  τ = 6 months
 *
 * (that ageing settles is our choice: most of it lies behind a model that has seen the first half-year).
 *
 * Noise is lognormal. The device is silent for hours at a time, some 4 % of the year, the analyser 17 % (calibrations).
 */
import type { Random } from '../../shared/base/clock.ts';
import { seededRandom } from '../../shared/base/seeded-random.ts';
import { normalSource } from './normal-source.ts';
import type { Reading } from './reading.ts';
import { type Air, hourlyAir } from './weather-and-traffic.ts';

interface MetalOxideSensor {
  /** B₀, in the units the device reports. */
  readonly baseline: number;
  /** K₀; the mixture below is scaled so that its usual value is about 1. */
  readonly sensitivity: number;
  /** β. */
  readonly exponent: number;
  readonly oxidising: boolean;
  /** Σ γᵢ·cᵢ. */
  readonly mixture: (air: Air) => number;
  /** a, per kelvin. */
  readonly perKelvin: number;
  /** b. */
  readonly humidityExponent: number;
  /** d_B and d_K. */
  readonly baselineDrift: number;
  readonly sensitivityDrift: number;
}

const sensors: readonly MetalOxideSensor[] = [
  {
    baseline: 640,
    sensitivity: 0.72,
    exponent: 0.6,
    oxidising: false,
    mixture: ({ co, benzene, nox }) => co / 2 + 0.15 * (benzene / 9) + 0.08 * (nox / 150),
    perKelvin: -0.006,
    humidityExponent: 0.14,
    baselineDrift: 0.35,
    sensitivityDrift: 0.8,
  },
  {
    baseline: 430,
    sensitivity: 1.15,
    exponent: 0.62,
    oxidising: false,
    mixture: ({ co, benzene }) => benzene / 9 + 0.1 * (co / 2),
    perKelvin: 0.004,
    humidityExponent: 0.06,
    baselineDrift: 0.3,
    sensitivityDrift: 0.55,
  },
  {
    baseline: 1650,
    sensitivity: 0.95,
    exponent: 0.55,
    oxidising: true,
    mixture: ({ nox, no2 }) => nox / 150 + 0.2 * (no2 / 110),
    perKelvin: -0.004,
    humidityExponent: -0.12,
    baselineDrift: -0.3,
    sensitivityDrift: 0.6,
  },
  {
    baseline: 900,
    sensitivity: 0.5,
    exponent: 0.5,
    oxidising: false,
    mixture: ({ no2, nox, co }) => no2 / 110 + 0.25 * (nox / 150) + 0.2 * (co / 2),
    perKelvin: 0.011,
    humidityExponent: 0.35,
    baselineDrift: -0.25,
    sensitivityDrift: 0.6,
  },
  {
    baseline: 480,
    sensitivity: 1.1,
    exponent: 0.7,
    oxidising: false,
    mixture: ({ ozone, nox, co }) => 0.35 * (ozone / 45) + 0.6 * (nox / 150) + 0.15 * (co / 2),
    perKelvin: -0.008,
    humidityExponent: 0.1,
    baselineDrift: 0.35,
    sensitivityDrift: 0.6,
  },
];

const HOUR_MS = 3_600_000;
/** τ. */
const AGEING_HOURS = 6 * 730;

/** First hour of the year that is made, as in the UCI data set. */
const firstHour = Date.UTC(2004, 2, 10, 18);
/** Hours that are made: to 4 April 2005, 14:00. */
export const hourCount = 9_357;

/** Makes the year. */
export function sensorYear(seed: number): Reading[] {
  const random = seededRandom(seed);
  const normal = normalSource(random);
  const deviceGaps = gaps(random, { share: 0.04, hours: 9 });
  const analyserGaps = gaps(random, { share: 0.17, hours: 5 });
  const readings: Reading[] = [];
  let hour = 0;
  for (const air of hourlyAir(firstHour, hourCount, random)) {
    const aged = 1 - Math.exp(-hour / AGEING_HOURS);
    const silent = deviceGaps();
    const values = [
      ...sensors.map((sensor) => Math.round(respond(sensor, air, aged) * Math.exp(0.02 * normal()))),
      round(air.temperatureC + 0.2 * normal(), 1),
      round(Math.min(98, air.relativeHumidity + 0.8 * normal()), 1),
      round(air.absoluteHumidity, 4),
    ];
    readings.push({
      at: firstHour + hour * HOUR_MS,
      sensors: silent ? values.map(() => Number.NaN) : values,
      coMgM3: analyserGaps() ? Number.NaN : Math.max(0.1, round(air.co * Math.exp(0.04 * normal()), 1)),
    });
    hour += 1;
  }
  return readings;
}

function respond(sensor: MetalOxideSensor, air: Air, aged: number): number {
  const baseline = sensor.baseline * (1 + sensor.baselineDrift * aged);
  const sensitivity = sensor.sensitivity * Math.exp(-sensor.sensitivityDrift * aged);
  const answer = 1 + sensitivity * sensor.mixture(air) ** sensor.exponent;
  const environment =
    Math.exp(sensor.perKelvin * (air.temperatureC - 20)) * air.absoluteHumidity ** sensor.humidityExponent;
  return (sensor.oxidising ? baseline / answer : baseline * answer) * environment;
}

/** Whether the next hour is missing: runs of `hours` on average that make up `share` of the time. */
function gaps(
  random: Random,
  { share, hours }: { readonly share: number; readonly hours: number },
): () => boolean {
  let missing = false;
  const begin = share / (1 - share) / hours;
  return () => {
    missing = missing ? random() >= 1 / hours : random() < begin;
    return missing;
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
