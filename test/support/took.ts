/** An answer that spent all its time in the runtime, milliseconds. */
import type { RequestTime } from '../../agent/telemetry/observation.ts';

export function took(totalMs: number): RequestTime {
  return { totalMs, inputMs: 0, inferMs: totalMs, outputMs: 0 };
}
