/**
 * Whether a connection is still alive: a client that sends nothing for one and a half times its keepalive is gone [MQTT-3.1.2-24]. Bytes
 * count, not whole packets: a message may take a slow line longer than that, and no ping comes in the middle of it. What the hub
 * itself does not read for now is not missing.
 */
export interface KeepaliveProps {
  /** As CONNECT said; 0 is refused before. */
  readonly seconds: number;
  /** Whether the hub reads nothing of the connection just now. */
  readonly isHeld: () => boolean;
  readonly onMissed: () => void;
}

export class Keepalive {
  readonly #timer: NodeJS.Timeout;

  constructor({ seconds, isHeld, onMissed }: KeepaliveProps) {
    this.#timer = setTimeout(() => {
      if (isHeld()) this.#timer.refresh();
      else onMissed();
    }, seconds * 1_500).unref();
  }

  /** Bytes have come. */
  received(): void {
    this.#timer.refresh();
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
