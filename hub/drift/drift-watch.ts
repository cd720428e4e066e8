/**
 * Assesses drift periodically for each version that devices report, for `/metrics`: an alert must not depend on a request. What is
 * assessed are the last hour and the last day that are over, at the levels of reading-levels.ts, so that assessing them again
 * finds the same. It
 * pauses for as long as it worked, so a large fleet is assessed less often and never takes more than half of the event loop.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Logger } from '../../platform/logger.ts';
import { isAppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import type { VersionCount } from '../devices/fleet-census.ts';
import { spanStart } from '../telemetry/rollups/spans.ts';
import type { DriftQuery, FleetDrift } from './drift-service.ts';
import { type ClosedSpan, closedSpans } from './reading-levels.ts';

export interface DriftWatchProps {
  readonly drift: { assessFleet(query: DriftQuery): Promise<FleetDrift> };
  /** Versions on devices, published ones alone. */
  readonly versions: () => Promise<readonly Pick<VersionCount, 'model' | 'version' | 'state'>[]>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What was found of a version in the last span of this length, when it was last assessed. */
export interface AssessedVersion {
  readonly span: ClosedSpan['name'];
  readonly report: FleetDrift;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

const PAUSE_MS = 300_000;

export class DriftWatch {
  readonly #props: DriftWatchProps;
  #assessed: ReadonlyMap<string, AssessedVersion> = new Map();
  /** Models of which a version could not be assessed; undefined before the first assessment. */
  #unknown: ReadonlySet<string> | undefined;

  constructor(props: DriftWatchProps) {
    this.#props = props;
  }

  assessed(): readonly AssessedVersion[] {
    return [...this.#assessed.values()];
  }

  /** Whether everything of the model that can be assessed was: only then does no drift among `assessed` mean that there is none. */
  isKnown(model: string): boolean {
    return this.#unknown !== undefined && !this.#unknown.has(model);
  }

  /** Runs until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.assessAll(signal).catch((error: unknown) => {
        this.#props.logger.error({ err: error }, 'drift could not be assessed');
      });
      await pause(PAUSE_MS, signal);
    }
  }

  /** Assesses every version that is active somewhere; one that no device runs any more is dropped. */
  async assessAll(signal: AbortSignal): Promise<void> {
    const { drift, versions, clock, logger } = this.#props;
    const assessed = new Map<string, AssessedVersion>();
    const unknown = new Set<string>();
    for (const { model, version, state } of await versions()) {
      if (state !== 'active') continue;
      if (signal.aborted) return;
      const begun = performance.now();
      try {
        for (const { name, spanMs, level } of closedSpans) {
          const toMs = spanStart(clock.now(), spanMs);
          const report = await drift.assessFleet({ model, version, fromMs: toMs - spanMs, toMs, level });
          assessed.set(`${model}@${version} ${name}`, { span: name, report, at: clock.now() });
        }
      } catch (error) {
        if (isAppError(error, 'drift_no_profile')) continue;
        unknown.add(model);
        logger.error({ model, version, err: error }, 'drift of a version could not be assessed');
      }
      await pause(performance.now() - begun, signal);
    }
    this.#assessed = assessed;
    this.#unknown = unknown;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return wait(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
