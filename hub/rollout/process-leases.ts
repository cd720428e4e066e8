/** Leases within one process: a queue for each name, kept while there is work for it. */
import { SerialQueue } from '../../shared/base/serial-queue.ts';
import type { Leases } from './leases.ts';

interface Holder {
  readonly queue: SerialQueue;
  waiting: number;
}

export class ProcessLeases implements Leases {
  readonly #holders = new Map<string, Holder>();

  async hold<T>(name: string, work: () => Promise<T>): Promise<T> {
    const holder = this.#holders.get(name) ?? { queue: new SerialQueue(), waiting: 0 };
    this.#holders.set(name, holder);
    holder.waiting += 1;
    try {
      return await holder.queue.run(work);
    } finally {
      holder.waiting -= 1;
      if (holder.waiting === 0) this.#holders.delete(name);
    }
  }

  async idle(): Promise<void> {
    await Promise.all([...this.#holders.values()].map(({ queue }) => queue.idle()));
  }
}
