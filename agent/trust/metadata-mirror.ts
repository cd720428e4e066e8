/**
 * The hub's trust metadata as it arrived over MQTT: the last message of each topic, unverified. Bounded: only known
 * topics, each up to the wire limit.
 */
import type { Clock } from '../../shared/base/clock.ts';
import { limits } from '../../shared/base/limits.ts';
import { parseRootChain, type TrustTopic, trustTopics } from '../../shared/protocol/trust-metadata.ts';

export class MetadataMirror {
  readonly #clock: Pick<Clock, 'sleep'>;
  readonly #files = new Map<TrustTopic, Uint8Array>();
  readonly #waiters = new Set<() => void>();
  #revision = 0;

  constructor(clock: Pick<Clock, 'sleep'>) {
    this.#clock = clock;
  }

  /** Grows whenever a file changed; the same number means the same files. */
  get revision(): number {
    return this.#revision;
  }

  /** Takes a message in. Returns false when it was refused: unknown topic, or over the limit. */
  receive(topic: string, payload: Uint8Array): boolean {
    const known = trustTopics.find((name) => name === topic);
    if (!known || payload.byteLength > limits.trustMetadataBytesMax) return false;
    const before = this.#files.get(known);
    if (before && Buffer.compare(before, payload) === 0) return true;
    // An empty payload is how a retained message is removed.
    if (payload.byteLength === 0) this.#files.delete(known);
    else this.#files.set(known, payload);
    this.#revision += 1;
    for (const wake of this.#waiters) wake();
    return true;
  }

  /** Forgets everything: after a reconnect the hub sends all of it again. */
  clear(): void {
    this.#files.clear();
    this.#revision += 1;
  }

  file(topic: TrustTopic): Uint8Array | undefined {
    return this.#files.get(topic);
  }

  /** A root file by version: its bytes, or `newest` when the chain ends before it; undefined when the mirror cannot tell. */
  root(version: number): Uint8Array | 'newest' | undefined {
    const bytes = this.#files.get('root');
    if (!bytes) return undefined;
    const { first, roots } = parseRootChain(bytes);
    if (version < first) return undefined;
    const text = roots[version - first];
    return text === undefined ? 'newest' : Buffer.from(text);
  }

  /** Resolves with what `look` finds, now or after a later message; undefined when `timeoutMs` have passed. */
  async waitFor<T>(look: () => T | undefined, timeoutMs: number): Promise<T | undefined> {
    const stop = new AbortController();
    const timeout = this.#clock.sleep(timeoutMs, stop.signal).then(
      () => true,
      () => true,
    );
    try {
      for (;;) {
        const found = look();
        if (found !== undefined) return found;
        let wake = (): void => undefined;
        const changed = new Promise<false>((resolve) => {
          wake = () => resolve(false);
        });
        this.#waiters.add(wake);
        const over = await Promise.race([changed, timeout]).finally(() => this.#waiters.delete(wake));
        if (over) return look();
      }
    } finally {
      stop.abort(new Error('no longer waited for'));
    }
  }
}
