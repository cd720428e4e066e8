import { errorText, isAppError } from '../../shared/base/app-error.ts';

/** What must hold for the hub to take work: parts register a check; `/readyz` runs them all. */
export type ReadinessCheck = () => Promise<void> | void;

export interface ReadinessReport {
  readonly ready: boolean;
  /** `ok` or why not, by part. */
  readonly checks: Readonly<Record<string, string>>;
}

export class Readiness {
  readonly #checks = new Map<string, ReadinessCheck>();

  /** `check` throws when its part cannot work now. */
  add(part: string, check: ReadinessCheck): void {
    this.#checks.set(part, check);
  }

  async report(): Promise<ReadinessReport> {
    const entries = await Promise.all(
      [...this.#checks].map(async ([part, check]): Promise<[string, string]> => {
        try {
          await check();
          return [part, 'ok'];
        } catch (error) {
          return [part, isAppError(error) ? `${error.code}: ${error.message}` : errorText(error)];
        }
      }),
    );
    return { ready: entries.every(([, state]) => state === 'ok'), checks: Object.fromEntries(entries) };
  }
}
