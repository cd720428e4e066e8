/**
 * The world around the sensors: an hourly year of weather and street air in a Mediterranean town. Made to look like the
 * environment of the UCI Air Quality data set (an Italian town, March 2004 to April 2005), not to reproduce it.
 *
 *   temperature  T = 17.5 + 9.5·cos(2π(d − 207)/365.25) + A(d)·cos(2π(h − 14.5)/24) + w,  A from 3 (winter) to 6 (summer) K;
 *                w is a first-order autoregressive process (Box and Jenkins 1970), φ = 0.97, σ = 3 K: the passing weather.
 *   humidity     the dew point follows the slow part of T; vapour pressure by the Magnus formula over water,
 *                e(t) = 6.112·exp(17.62·t/(243.12 + t)) hPa (Sonntag 1990, as in WMO-No. 8);
 *                RH = 100·e(dew point)/e(T); AH is e/10, the scale of the data set's own AH column.
 *   traffic      two rush hours a working day, a later and lower evening at weekends, August at half.
 *   CO           emission (traffic, and heating below 15 °C) over dilution; dilution is lognormal and autoregressive
 *                (wind), lower in cold still nights. Other gases follow CO with their own seasons: benzene and NOx rise
 *                with it (NOx more in winter), NO2 half so, ozone falls with NOx and rises with sun.
 */
import type { Random } from '../../shared/base/clock.ts';
import { normalSource } from './normal-source.ts';

/** The air of one hour. */
export interface Air {
  readonly temperatureC: number;
  readonly relativeHumidity: number;
  /** Vapour pressure in units of 10 hPa. */
  readonly absoluteHumidity: number;
  /** mg/m³. */
  readonly co: number;
  /** µg/m³. */
  readonly benzene: number;
  readonly nox: number;
  readonly no2: number;
  readonly ozone: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The air of `hours` hours from `from` on. */
export function* hourlyAir(from: number, hours: number, random: Random): Generator<Air> {
  const normal = normalSource(random);
  let weather = 3 * normal();
  let wind = 0;
  let damp = 0;
  let mix = 0;
  for (let hour = 0; hour < hours; hour += 1) {
    weather = 0.97 * weather + 3 * Math.sqrt(1 - 0.97 ** 2) * normal();
    wind = 0.9 * wind + Math.sqrt(1 - 0.9 ** 2) * normal();
    damp = 0.98 * damp + Math.sqrt(1 - 0.98 ** 2) * normal();
    mix = 0.8 * mix + Math.sqrt(1 - 0.8 ** 2) * normal();
    const at = from + hour * HOUR_MS;
    const dayOfYear = (at / DAY_MS) % 365.25;
    const hourOfDay = (at / HOUR_MS) % 24;
    const season = Math.cos((2 * Math.PI * (dayOfYear - 207)) / 365.25);
    const slow = 17.5 + 9.5 * season + weather;
    const temperatureC = slow + (4.5 + 1.5 * season) * Math.cos((2 * Math.PI * (hourOfDay - 14.5)) / 24);
    const vapour = Math.min(magnus(slow - 8 + 3 * damp), 0.97 * magnus(temperatureC));

    const heating = Math.max(0, 15 - temperatureC) / 15;
    const emission = 0.12 + traffic(at, hourOfDay) + 0.35 * heating;
    const stillness = 0.25 * heating + (hourOfDay < 6 || hourOfDay > 20 ? 0.15 : 0);
    const co = 3 * emission * Math.exp(0.45 * wind + stillness);
    const nox = 45 * co * (1 + 0.9 * heating) * Math.exp(0.18 * mix);
    const sun = Math.max(0, Math.cos((2 * Math.PI * (hourOfDay - 13)) / 24)) * (1.3 + season);
    yield {
      temperatureC,
      relativeHumidity: (100 * vapour) / magnus(temperatureC),
      absoluteHumidity: vapour / 10,
      co,
      benzene: 4 * co ** 1.1 * Math.exp(0.12 * normal()),
      nox,
      no2: 45 + 0.28 * nox,
      ozone: 20 + (55 * sun) / (1 + nox / 120) + 4 * Math.abs(normal()),
    };
  }
}

/** Saturation vapour pressure over water, hPa. */
function magnus(temperatureC: number): number {
  return 6.112 * Math.exp((17.62 * temperatureC) / (243.12 + temperatureC));
}

/** Traffic from about 0 (night) to 1 (rush hour). */
function traffic(at: number, hourOfDay: number): number {
  const weekday = (Math.floor(at / DAY_MS) + 4) % 7;
  const working = weekday !== 0 && weekday !== 6;
  const peak = (hour: number, width: number) => Math.exp(-(((hourOfDay - hour) / width) ** 2) / 2);
  const day = working
    ? 0.85 * peak(8.5, 1.4) + 0.4 * peak(13, 2.5) + peak(19, 1.8)
    : 0.35 * peak(12, 3) + 0.6 * peak(20, 2.5);
  const august = new Date(at).getUTCMonth() === 7 ? 0.5 : 1;
  return august * (0.08 + 0.9 * day);
}
