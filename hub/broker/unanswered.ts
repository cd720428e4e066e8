/**
 * What devices have sent that is not answered yet, counted for all of them together: how much one of them may have shrinks with the
 * number of those that have some, and all of it is bounded, whatever the number of devices. Pure but for what it remembers.
 */
import { limits } from '../../shared/base/limits.ts';

/** What a message takes beside its bytes, until it is answered. */
const MESSAGE_BYTES = 2 * 1024;

export class Unanswered {
  readonly #bytesMax: number;
  #devices = 0;
  #messages = 0;
  #bytes = 0;
  readonly #listeners: (() => void)[] = [];

  constructor(bytesMax: number = limits.unansweredBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /** Of all devices together no more can be held. */
  get isFull(): boolean {
    return this.#bytes >= this.#bytesMax;
  }

  get messages(): number {
    return this.#messages;
  }

  /** Those messages, with what each takes beside its bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Messages that one device may have unanswered before no more of it is read. */
  get messagesPerDeviceMax(): number {
    const share = limits.unansweredMessagesShared / Math.max(1, this.#devices);
    return Math.min(
      limits.unansweredMessagesPerDeviceMax,
      Math.max(limits.unansweredMessagesPerDeviceMin, Math.floor(share)),
    );
  }

  /** `listener` is called when there is capacity again. */
  onCapacity(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** A device that had `before` messages unanswered has one more. */
  add(bytes: number, before: number): void {
    if (before === 0) this.#devices += 1;
    this.#messages += 1;
    this.#bytes += bytes + MESSAGE_BYTES;
  }

  /** Of a device, which has `left` unanswered messages now, one was answered, or never will be. */
  remove(bytes: number, left: number): void {
    const wasFull = this.isFull;
    if (left === 0) this.#devices -= 1;
    this.#messages -= 1;
    this.#bytes -= bytes + MESSAGE_BYTES;
    if (wasFull && !this.isFull) for (const listener of this.#listeners) listener();
  }
}
