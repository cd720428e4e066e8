/**
 * What the local API holds at once: requests by number, bodies and answers by bytes. Asked when the head of a request has
 * come, before its body is read, so that turning one away costs next to nothing.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';

/** A request's place, held until its answer is gone. */
export interface Ticket {
  /** Counts bytes the request makes the agent hold. Throws `overloaded` when there is no memory for them. */
  take(bytes: number): void;
  /** Gives the place back; safe to call twice. */
  release(): void;
}

export class Admission {
  #requests = 0;
  #bytes = 0;

  /** Throws `overloaded` when too many requests are under way. */
  enter(): Ticket {
    if (this.#requests >= limits.localRequestsMax) {
      throw overloaded(`${limits.localRequestsMax} requests are in progress`);
    }
    this.#requests += 1;
    let taken = 0;
    let counted = 0;
    let isOpen = true;
    return {
      take: (bytes) => {
        if (!isOpen) return;
        // Small requests are always admitted; what they may hold together is bounded by their number.
        const more = Math.max(0, taken + bytes - limits.localBytesFree) - counted;
        // One request alone may be larger than all may be together: it has its own limits.
        const others = this.#bytes - counted;
        if (more > 0 && others > 0 && this.#bytes + more > limits.localBytesMax) {
          throw overloaded(`requests in progress already use ${this.#bytes} bytes`);
        }
        taken += bytes;
        counted += more;
        this.#bytes += more;
      },
      release: () => {
        if (!isOpen) return;
        isOpen = false;
        this.#requests -= 1;
        this.#bytes -= counted;
      },
    };
  }
}

function overloaded(why: string): AppError {
  return new AppError('overloaded', `Cannot accept the request: ${why}.`, { retryAfterMs: 1_000 });
}
