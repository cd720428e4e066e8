/**
 * Whether more of a device's connection is read: not while much of what it sent is unanswered, and not beyond its budget. What is
 * not read stays in the device's own line, whose TCP then slows it down; nothing is dropped.
 */
import type { TLSSocket } from 'node:tls';
import { limits } from '../../shared/base/limits.ts';
import type { MessageBudget } from './message-budget.ts';

export interface ReadGateProps {
  readonly socket: TLSSocket;
  readonly budget: MessageBudget;
  /** The budget is used up; told at most once in `QUIET_MS`. */
  readonly onHeldBack: () => void;
}

const QUIET_MS = 60_000;

export class ReadGate {
  readonly #props: ReadGateProps;
  #messages = 0;
  #bytes = 0;
  /** Something was there to be read and was not. */
  #isHolding = false;
  #timer: NodeJS.Timeout | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(props: ReadGateProps) {
    this.#props = props;
    const { socket } = props;
    // aedes takes its bytes with `read`, and takes none until `readable` when there are none. Zero bytes are Node's own look.
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => (size === 0 || this.#isOpen() ? read(size) : null);
    socket.once('close', () => clearTimeout(this.#timer));
  }

  /** Whether it may be that something is there and is not read for now: aedes reads on when what it has read is answered. */
  get isHolding(): boolean {
    return this.#isHolding || this.#messages > 0;
  }

  /** A message was read. */
  received(bytes: number): void {
    this.#messages += 1;
    this.#bytes += bytes;
    this.#props.budget.spend(bytes, performance.now());
  }

  receivedControl(count: number): void {
    if (count > 0) this.#props.budget.spend(0, performance.now(), count);
  }

  /** It was answered, or never will be. */
  answered(bytes: number): void {
    this.#messages -= 1;
    this.#bytes -= bytes;
    if (this.#isHolding && !this.#isFull()) this.#readOn();
  }

  #isFull(): boolean {
    return (
      this.#messages >= limits.unansweredMessagesPerDeviceMax ||
      this.#bytes >= limits.unansweredBytesPerDeviceMax
    );
  }

  #isOpen(): boolean {
    if (this.#isFull()) {
      this.#isHolding = true;
      return false;
    }
    const now = performance.now();
    const waitMs = this.#props.budget.waitMs(now);
    if (waitMs === 0) return true;
    this.#isHolding = true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#readOn();
    }, waitMs).unref();
    if (now - this.#toldAt >= QUIET_MS) {
      this.#toldAt = now;
      this.#props.onHeldBack();
    }
    return false;
  }

  #readOn(): void {
    this.#isHolding = false;
    if (!this.#props.socket.destroyed) this.#props.socket.emit('readable');
  }
}
