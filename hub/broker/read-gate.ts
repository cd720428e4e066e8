/**
 * Whether more of a device's connection is read: not while much of what it sent is unanswered, not beyond its budget, and not before its
 * turn (read-scheduler.ts). What is not read stays in the device's own line, whose TCP then slows it down; nothing is dropped.
 */
import type { TLSSocket } from 'node:tls';
import { limits } from '../../shared/base/limits.ts';
import type { MessageBudget } from './message-budget.ts';
import type { Reader, ReadScheduler } from './read-scheduler.ts';
import type { Unanswered } from './unanswered.ts';

export interface ReadGateProps {
  readonly socket: TLSSocket;
  readonly budget: MessageBudget;
  readonly turns: ReadScheduler;
  readonly unanswered: Unanswered;
  /** The budget is used up; told at most once in `QUIET_MS`. */
  readonly onHeldBack: () => void;
  /** Nothing of anybody is read, because too much of all devices is unanswered. */
  readonly onShut: () => void;
}

const QUIET_MS = 60_000;

export class ReadGate implements Reader {
  readonly #props: ReadGateProps;
  #messages = 0;
  #bytes = 0;
  /** Something was there to be read and was not. */
  #isHolding = false;
  #isShut = false;
  /** More was there than could be read the last time. */
  #isBacklogged = false;
  #timer: NodeJS.Timeout | undefined;
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(props: ReadGateProps) {
    this.#props = props;
    const { socket, turns } = props;
    // aedes takes its bytes with `read`, and takes none until `readable` when there are none. Zero bytes are Node's own look.
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => {
      if (size === 0) return read(0);
      return this.#isOpen() ? this.#read(read) : null;
    };
    socket.once('close', () => {
      clearTimeout(this.#timer);
      turns.leave(this);
    });
  }

  get isBehind(): boolean {
    return this.#messages > 0 || this.#isBacklogged;
  }

  /** What the device sent is left unread for the sake of what others sent. */
  get isShut(): boolean {
    return this.#isShut;
  }

  get unread(): number {
    return this.#props.socket.readableLength;
  }

  /** Whether it may be that something is there and is not read for now: aedes reads on when what it has read is answered. */
  get isHolding(): boolean {
    return this.#isHolding || this.#messages > 0 || this.unread > 0;
  }

  /** A message was read. */
  received(bytes: number): void {
    this.#props.unanswered.add(bytes, this.#messages);
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
    this.#props.unanswered.remove(bytes, this.#messages);
    if (this.#isHolding && !this.#isFull()) this.readOn();
  }

  readOn(): void {
    this.#isHolding = false;
    if (!this.#props.socket.destroyed) this.#props.socket.emit('readable');
  }

  #read(read: (size?: number) => unknown): unknown {
    const { socket, turns, unanswered, onShut } = this.#props;
    const share = turns.take(this);
    this.#isShut = share === 0 && unanswered.isFull;
    if (this.#isShut) onShut();
    if (share === 0) return null;
    const bytes = socket.readableLength > share ? read(share) : read();
    this.#isBacklogged = this.unread > 0;
    // What was read may be no whole packet, after which nobody would ask for the rest.
    if (this.#isBacklogged) turns.wait(this);
    return bytes;
  }

  #isFull(): boolean {
    return (
      this.#messages >= this.#props.unanswered.messagesPerDeviceMax ||
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
      this.readOn();
    }, waitMs).unref();
    if (now - this.#sentAt >= QUIET_MS) {
      this.#sentAt = now;
      this.#props.onHeldBack();
    }
    return false;
  }
}
