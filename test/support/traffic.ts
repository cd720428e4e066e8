/** Requests to every device of a small fleet, and who answered how many. */
import { setTimeout as wait } from 'node:timers/promises';
import { until } from '../../demo/fleet.ts';
import type { SmallFleet } from './small-fleet.ts';

/** Asks every device again and again; what does not answer is asked again. */
export class Traffic {
  readonly #small: SmallFleet;
  readonly #version: string;
  readonly #answered = new Map<string, number>();
  readonly #done: Promise<unknown>;
  #stopped = false;

  constructor(small: SmallFleet, version: string) {
    this.#small = small;
    this.#version = version;
    this.#done = Promise.all(small.devices.map((id) => this.#ask(id)));
  }

  get answered(): number {
    return [...this.#answered.values()].reduce((sum, n) => sum + n, 0);
  }

  answeredBy(id: string): number {
    return this.#answered.get(id) ?? 0;
  }

  hasAnswered(wanted: number): Promise<true> {
    return until(`${wanted} requests are answered`, async () => (this.answered >= wanted ? true : undefined));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #ask(id: string): Promise<void> {
    while (!this.#stopped) {
      const answer = await this.#small.infer(id).catch(() => undefined);
      if (answer?.version === this.#version) {
        this.#answered.set(id, this.answeredBy(id) + 1);
      }
      await wait(15);
    }
  }
}
