/**
 * Where inference requests queue before anything of them is read: of each model only so many are worked on at
 * once, the others are a head and a socket. A crowd then costs little more a request than the peak does.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { limits } from '../../shared/base/limits.ts';

export interface AdmissionQueueProps {
  /** What one request of the model takes of its runner, milliseconds; 0 when nobody knows. */
  readonly eachMs: (model: string) => number;
  /** How long a request may wait in the queue. */
  readonly waitMsMax: number;
}

/** A request, from its head to its answer. */
interface QueuedRequest {
  readonly lane: Lane;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly start: () => void;
  /** Its body is here. */
  readonly isWhole: boolean;
  readonly sinceMs: number;
}

/** The requests of one model. */
interface Lane {
  readonly model: string;
  working: number;
  /** In the order they came. */
  readonly waiting: Set<QueuedRequest>;
}

export class AdmissionQueue {
  readonly #props: AdmissionQueueProps;
  /** By what the path names; a lane is gone when it is empty. */
  readonly #lanes = new Map<string, Lane>();
  /** How long each waited, milliseconds. */
  readonly #rejected = new WeakMap<IncomingMessage, number>();
  /** Those that gave up their place while their bodies come. */
  readonly #sending = new WeakSet<IncomingMessage>();

  constructor(props: AdmissionQueueProps) {
    this.#props = props;
  }

  /**
   * How long a request has waited, milliseconds, that is to be refused: it would have waited, or has waited, longer
   * than it may. Undefined for one that is let in.
   */
  waitedInVainMs(request: IncomingMessage): number | undefined {
    return this.#rejected.get(request);
  }

  /** Calls `start` when the request is admitted; never when its client leaves before. */
  enter(request: IncomingMessage, response: ServerResponse, start: () => void): void {
    this.#enter(request, response, start, false);
  }

  /**
   * Resolves when a request whose body is here may go on: at once, unless it gave up its place while the body came.
   * Never when its client leaves before.
   */
  takePlaceAgain(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#sending.delete(request)) return Promise.resolve();
    return new Promise((resolve) => this.#enter(request, response, resolve, true));
  }

  #enter(request: IncomingMessage, response: ServerResponse, start: () => void, isWhole: boolean): void {
    const model = modelAsked(request.url);
    if (model === undefined) {
      start();
      return;
    }
    const lane = this.#lane(model);
    const queued = { lane, request, response, start, isWhole, sinceMs: performance.now() };
    const waitMs = (lane.waiting.size + lane.working) * this.#props.eachMs(model);
    if (lane.working < limits.inferWorkedOnMax && lane.waiting.size === 0) this.#begin(queued);
    else if (waitMs > this.#props.waitMsMax) this.#reject(queued, queued.sinceMs);
    else {
      lane.waiting.add(queued);
      response.once('close', () => {
        if (lane.waiting.delete(queued)) this.#tidy(lane);
      });
    }
  }

  /** Rejects requests that have waited too long. */
  rejectLate(nowMs: number): void {
    for (const lane of this.#lanes.values()) {
      for (const queued of lane.waiting) {
        if (nowMs - queued.sinceMs <= this.#props.waitMsMax) break;
        lane.waiting.delete(queued);
        this.#reject(queued, nowMs);
      }
    }
  }

  #reject({ request, start, sinceMs }: QueuedRequest, nowMs: number): void {
    this.#rejected.set(request, nowMs - sinceMs);
    start();
  }

  #begin({ lane, request, response, start, isWhole }: QueuedRequest): void {
    lane.working += 1;
    let isCounted = true;
    const leave = () => {
      if (!isCounted) return;
      isCounted = false;
      lane.working -= 1;
      this.#callNext(lane);
    };
    response.once('close', leave);
    start();
    if (isWhole) return;
    // Who still sends keeps nobody waiting: the bytes are counted elsewhere, and the work begins when they are here.
    setImmediate(() => {
      if (request.complete || !isCounted) return;
      this.#sending.add(request);
      leave();
    });
  }

  #callNext(lane: Lane): void {
    for (const queued of lane.waiting) {
      if (lane.working >= limits.inferWorkedOnMax) return;
      lane.waiting.delete(queued);
      this.#begin(queued);
    }
    this.#tidy(lane);
  }

  #lane(model: string): Lane {
    let lane = this.#lanes.get(model);
    if (!lane) {
      lane = { model, working: 0, waiting: new Set() };
      this.#lanes.set(model, lane);
    }
    return lane;
  }

  #tidy(lane: Lane): void {
    if (lane.working === 0 && lane.waiting.size === 0) this.#lanes.delete(lane.model);
  }
}

/** The model of an inference path, however it is written: a lane is left in no other way than by asking another model. */
function modelAsked(url = ''): string | undefined {
  const [, written] =
    /^(?:https?:\/\/[^/]*)?\/v2\/models\/([^/?#]+)(?:\/versions\/[^/?#]+)?\/infer(?:[?#]|$)/i.exec(url) ?? [];
  if (written === undefined) return undefined;
  try {
    return decodeURIComponent(written);
  } catch {
    // The router refuses it.
    return undefined;
  }
}
