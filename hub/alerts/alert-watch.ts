/**
 * Evaluates objectives and alerts each minute while the hub runs. What fails ends nothing: it is an alert of its own, and a figure
 * for `/metrics` where not even that can be stored.
 */
import type { Logger } from '../../platform/logger.ts';
import { errorText } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import type { Evaluation } from '../objectives/objective-service.ts';
import type { AlertService } from './alert-service.ts';
import { type Observation, observationsOf } from './observations.ts';

export interface AlertWatchProps {
  readonly objectives: { evaluateAll(): Promise<Evaluation> };
  readonly alerts: Pick<AlertService, 'observe'>;
  readonly receivers: {
    observations(): Promise<readonly Observation[]>;
    push(): Promise<void>;
  };
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The subject of what concerns no single model. */
const HUB = 'hub';

export class AlertWatch {
  readonly #props: AlertWatchProps;
  /** Since the start. */
  failures = 0;
  /** When an evaluation last succeeded, milliseconds since the epoch. */
  evaluatedAt: number | undefined;

  constructor(props: AlertWatchProps) {
    this.#props = props;
  }

  /** Runs until `signal` is aborted. At first it waits: after a start the devices are not counted yet. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#props.clock.sleep(limits.alertsEvaluatedEveryMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      await this.evaluate();
    }
  }

  /** Never rejects. */
  async evaluate(): Promise<void> {
    const { objectives, alerts, receivers, clock } = this.#props;
    try {
      const { statuses, failed } = await objectives.evaluateAll();
      for (const [model, error] of failed) this.#failed(error, model);
      await alerts.observe({
        observations: [
          ...statuses.flatMap(observationsOf),
          ...[...failed].map(([model, error]) => failure(model, error)),
          ...(await receivers.observations()),
        ],
        isUnknown: ({ code, subject }) => failed.has(subject) && code !== 'evaluation_failed',
      });
      this.evaluatedAt = clock.now();
    } catch (error) {
      this.#failed(error);
      await alerts
        .observe({ observations: [failure(HUB, error)], isUnknown: () => true })
        .catch((cause: unknown) => this.#failed(cause));
    }
    await receivers.push().catch((error: unknown) => this.#failed(error));
  }

  #failed(error: unknown, model?: string): void {
    this.failures += 1;
    this.#props.logger.error({ ...(model ? { model } : {}), err: error }, 'alerts could not be evaluated');
  }
}

function failure(subject: string, error: unknown): Observation {
  return {
    code: 'evaluation_failed',
    subject,
    holds: true,
    summary: `${subject}: objectives could not be evaluated (${errorText(error)})`,
  };
}
