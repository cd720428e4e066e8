/**
 * A device as the rollout engine meets it: takes signed statements in order of their sequence, works towards what they
 * name one state at a time, and says so. What it does on the way is set by `manner`.
 */
import { desiredStateType, parseDesiredState } from '../../shared/protocol/desired-state.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import type { UpdateEvent, UpdateState } from '../../shared/protocol/update-event.ts';
import { verifyDsse } from '../../shared/tuf/dsse.ts';

export type Manner =
  | 'good'
  /** Refuses the version before switching. */
  | 'rejects'
  /** Switches, then goes back by itself. */
  | 'rolls-back'
  /** Takes nothing and says nothing. */
  | 'dead'
  /** Lives, and never finishes its download. */
  | 'stuck';

export interface DeviceSays {
  event(deviceId: string, event: UpdateEvent): Promise<void>;
  reported(deviceId: string, reported: ReportedState): Promise<void>;
}

interface Wish {
  readonly version: string;
  readonly manifest: string;
  readonly rollout?: string | undefined;
}

const path: readonly UpdateState[] = [
  'checking',
  'downloading',
  'verifying',
  'staged',
  'qualifying',
  'trial',
  'committed',
];

export class RolloutDeviceModel {
  readonly id: string;
  manner: Manner;
  /** The version that answers requests. */
  active: string | undefined;
  sequence = 0;
  #state: UpdateState = 'idle';
  #wish: Wish | undefined;
  #before: string | undefined;
  readonly #refused = new Set<string>();
  #events = 0;
  readonly #model: string;
  readonly #keys: ReadonlyMap<string, string>;

  constructor(
    id: string,
    props: { model: string; keys: ReadonlyMap<string, string>; manner?: Manner; active?: string },
  ) {
    this.id = id;
    this.#model = props.model;
    this.#keys = props.keys;
    this.manner = props.manner ?? 'good';
    this.active = props.active;
  }

  get state(): UpdateState {
    return this.#state;
  }

  /** Takes a statement; an unsigned or older one is refused as an agent does. */
  async receive(envelope: Uint8Array, says: DeviceSays): Promise<void> {
    if (this.manner === 'dead') return;
    const state = parseDesiredState(verifyDsse(envelope, desiredStateType, this.#keys));
    if (state.device !== this.id) throw new Error(`statement of ${state.device} sent to ${this.id}`);
    if (state.sequence <= this.sequence) return;
    this.sequence = state.sequence;
    const wish = state.models.find((entry) => entry.model === this.#model);
    const isUnderWay = path.indexOf(this.#state) >= 0 && this.#state !== 'committed';
    if (
      isUnderWay &&
      wish?.version !== this.#wish?.version &&
      !(wish === undefined && this.#state === 'trial')
    ) {
      const wasSwitched = this.#state === 'trial';
      if (wasSwitched) this.active = this.#before;
      this.#state = wasSwitched ? 'rolled-back' : 'idle';
      if (wasSwitched) await this.#say(says, 'rolled-back', 'desired_changed');
    }
    const isNew = wish !== undefined && wish.rollout !== this.#wish?.rollout;
    this.#wish = wish ?? this.#wish;
    if (wish === undefined && this.#state !== 'trial') this.#wish = undefined;
    if (isNew && wish.version === this.active) {
      this.#state = 'committed';
      await this.#say(says, 'committed');
    } else if (
      wish &&
      wish.version !== this.active &&
      !this.#refused.has(`${wish.version} ${wish.rollout}`)
    ) {
      this.#state = 'idle';
    }
    await this.report(says);
  }

  /** One step of work; false when there is nothing to do. */
  async work(says: DeviceSays): Promise<boolean> {
    const wish = this.#wish;
    if (this.manner === 'dead' || wish === undefined) return false;
    if (this.#refused.has(`${wish.version} ${wish.rollout}`)) return false;
    if (this.active === wish.version && this.#state !== 'trial') return false;
    const next = path[path.indexOf(this.#state) + 1] ?? 'checking';
    const isTarget = wish.version !== '1.0.0';
    if (this.manner === 'stuck' && isTarget && this.#state === 'downloading') return false;
    if (this.manner === 'rejects' && isTarget && this.#state === 'qualifying') {
      return this.#refuse(says, 'rejected', 'golden_mismatch');
    }
    if (this.manner === 'rolls-back' && isTarget && this.#state === 'trial') {
      this.active = this.#before;
      return this.#refuse(says, 'rolled-back', 'trial_error_rate');
    }
    if (next === 'trial') {
      this.#before = this.active;
      this.active = wish.version;
    }
    this.#state = next;
    await this.#say(says, next);
    await this.report(says);
    return true;
  }

  async report(says: DeviceSays): Promise<void> {
    if (this.manner === 'dead') return;
    await says.reported(this.id, {
      v: 1,
      at: new Date(0).toISOString(),
      sequence: this.sequence,
      facts: {} as ReportedState['facts'],
      freeBytes: 1,
      conditions: [],
      models: [
        {
          model: this.#model,
          ...(this.active
            ? { active: { version: this.active, manifest: digestOf(this.active), release: 1 } }
            : {}),
          ...(this.#wish
            ? {
                update: { version: this.#wish.version, state: this.#state, since: new Date(0).toISOString() },
              }
            : {}),
          previous: [],
          parked: [],
        },
      ],
    });
  }

  async #refuse(says: DeviceSays, state: UpdateState, code: string): Promise<boolean> {
    this.#refused.add(`${this.#wish!.version} ${this.#wish!.rollout}`);
    this.#state = state;
    await this.#say(says, state, code);
    await this.report(says);
    return true;
  }

  async #say(says: DeviceSays, state: UpdateState, code?: string): Promise<void> {
    const wish = this.#wish!;
    this.#events += 1;
    await says.event(this.id, {
      v: 1,
      id: `s-${this.#events}`,
      at: new Date(0).toISOString(),
      model: this.#model,
      version: wish.version,
      manifest: wish.manifest,
      ...(wish.rollout === undefined ? {} : { rollout: wish.rollout }),
      sequence: this.sequence,
      state,
      ...(code ? { fault: { code, message: `because of ${code}`, retry: 'never' as const } } : {}),
    });
  }
}

/** A digest that is recognisably that of `version`. */
export function digestOf(version: string): string {
  return Buffer.from(version).toString('hex').padEnd(64, '0');
}
