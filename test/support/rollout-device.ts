/**
 * A device as the rollout engine meets it: receives signed statements in order of their sequence, works towards what they
 * name one state at a time, and reports it. What it does on the way is set by `manner`.
 */
import {
  commitTrial,
  endTrial,
  goBack,
  keepsCommitted,
  type ModelSlots,
  noSlots,
  type SlotRef,
  servingSlot,
  startTrial,
  versionsBefore,
} from '../../agent/slots/slot-index.ts';
import {
  type DesiredModel,
  desiredStateType,
  parseDesiredState,
} from '../../shared/protocol/desired-state.ts';
import type { ReportedState } from '../../shared/protocol/reported-state.ts';
import type { UpdateEvent, UpdateFault, UpdateState } from '../../shared/protocol/update-event.ts';
import { verifyDsse } from '../../shared/tuf/dsse.ts';

export type Manner =
  | 'good'
  /** Refuses the version before switching. */
  | 'rejects'
  /** Switches, then goes back by itself. */
  | 'rolls-back'
  /** Accepts nothing and sends nothing. */
  | 'dead'
  /** Lives, and never finishes its download. */
  | 'stuck'
  /** Switches, and gets too few requests for its trial to end. */
  | 'unasked';

export interface DeviceUplink {
  event(deviceId: string, event: UpdateEvent): Promise<void>;
  reported(deviceId: string, reported: ReportedState): Promise<void>;
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
  /** Manners by version, where they are not those of the device. */
  readonly mannerOf = new Map<string, Manner>();
  sequence = 0;
  slots: ModelSlots;
  #state: UpdateState = 'idle';
  #desired: DesiredModel | undefined;
  #fault: UpdateFault | undefined;
  readonly #refused = new Set<string>();
  readonly #quarantined = new Set<string>();
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
    this.slots =
      props.active === undefined
        ? noSlots
        : commitTrial(startTrial(noSlots, slotOf(props.active, releaseOf(props.active))), KEPT);
  }

  get state(): UpdateState {
    return this.#state;
  }

  /** The version that answers requests. */
  get active(): string | undefined {
    return servingSlot(this.slots)?.version;
  }

  /** Versions it keeps beside the one that answers. */
  get kept(): readonly string[] {
    return this.slots.previous.map((slot) => slot.version);
  }

  /** Takes a statement; an unsigned or older one is refused as an agent does. */
  async receive(envelope: Uint8Array, uplink: DeviceUplink): Promise<void> {
    if (this.manner === 'dead') return;
    const state = parseDesiredState(verifyDsse(envelope, desiredStateType, this.#keys));
    if (state.device !== this.id) throw new Error(`statement of ${state.device} sent to ${this.id}`);
    if (state.sequence <= this.sequence) return;
    this.sequence = state.sequence;
    const desired = state.models.find((entry) => entry.model === this.#model);
    if (desired === undefined && state.unassigned?.includes(this.#model)) {
      this.slots = { ...noSlots, floor: this.slots.floor };
      this.#state = 'idle';
      this.#desired = undefined;
      return this.report(uplink);
    }
    const isUnderWay = path.indexOf(this.#state) >= 0 && this.#state !== 'committed';
    if (
      isUnderWay &&
      desired?.version !== this.#desired?.version &&
      !(desired === undefined && this.#state === 'trial')
    ) {
      const wasSwitched = this.#state === 'trial';
      if (wasSwitched) this.slots = endTrial(this.slots);
      this.#state = wasSwitched ? 'rolled-back' : 'idle';
      if (wasSwitched) await this.#send(uplink, 'rolled-back', 'desired_changed');
    }
    const isNew = desired !== undefined && desired.rollout !== this.#desired?.rollout;
    this.#desired = desired ?? this.#desired;
    if (desired === undefined && this.#state !== 'trial') this.#desired = undefined;
    if (isNew && desired.version === this.active) {
      this.#state = 'committed';
      await this.#send(uplink, 'committed');
    } else if (
      desired &&
      desired.version !== this.active &&
      !this.#refused.has(`${desired.version} ${desired.rollout}`)
    ) {
      this.#state = 'idle';
    }
    await this.report(uplink);
  }

  /** One step of work; false when there is nothing to do. */
  async work(uplink: DeviceUplink): Promise<boolean> {
    const desired = this.#desired;
    if (this.manner === 'dead' || desired === undefined) return false;
    if (this.#refused.has(`${desired.version} ${desired.rollout}`)) return false;
    if (this.active === desired.version && this.#state !== 'trial') return false;
    const next = path[path.indexOf(this.#state) + 1] ?? 'checking';
    const manner = this.#mannerToward(desired);
    if (manner === 'stuck' && this.#state === 'downloading') return false;
    if (manner === 'unasked' && this.#state === 'trial') return false;
    if (this.#state === 'checking') {
      if (this.#quarantined.has(desired.version))
        return this.#refuse(uplink, 'rejected', 'version_quarantined');
      if (desired.release < this.slots.floor && !keepsCommitted(this.slots, desired.manifest)) {
        return this.#refuse(uplink, 'rejected', 'downgrade_refused');
      }
    }
    if (manner === 'rejects' && this.#state === 'qualifying') {
      return this.#refuse(uplink, 'rejected', 'golden_mismatch');
    }
    if (manner === 'rolls-back' && this.#state === 'trial') {
      this.slots = endTrial(this.slots);
      return this.#refuse(uplink, 'rolled-back', 'trial_error_rate');
    }
    if (next === 'trial') this.slots = startTrial(this.slots, slotOf(desired.version, desired.release));
    if (next === 'committed') this.slots = commitTrial(this.slots, KEPT);
    this.#state = next;
    await this.#send(uplink, next);
    await this.report(uplink);
    return true;
  }

  /** Somebody at the device orders the version before; false when there is none. */
  async goBack(uplink: DeviceUplink): Promise<boolean> {
    const [before] = versionsBefore(this.slots);
    const left = this.slots.active;
    if (this.slots.trial !== undefined || left === undefined || before === undefined) return false;
    this.slots = goBack(this.slots, before.manifest);
    this.#desired = {
      ...(this.#desired ?? desiredOf(this.#model, left)),
      version: left.version,
      manifest: left.manifest,
    };
    await this.#refuse(uplink, 'rolled-back', 'rolled_back_by_operator');
    return true;
  }

  async report(uplink: DeviceUplink): Promise<void> {
    if (this.manner === 'dead') return;
    await uplink.reported(this.id, this.reportedState());
  }

  reportedState(): ReportedState {
    const { trial, active, previous, floor } = this.slots;
    const serving = trial ?? active;
    const before = trial && active ? [active, ...previous] : previous;
    const desired = this.#desired;
    const isGivenUp = serving === undefined && desired === undefined && floor > 0;
    const more = { sequence: this.sequence, facts, freeBytes: 2 ** 40, conditions: [] };
    if (isGivenUp) return { v: 2, at: new Date(0).toISOString(), ...more, models: [] };
    return {
      v: 2,
      at: new Date(0).toISOString(),
      ...more,
      models: [
        {
          model: this.#model,
          ...(serving ? { active: installed(serving) } : {}),
          previous: before.map(installed),
          ...(floor > 0 ? { floor } : {}),
          ...(desired
            ? {
                update: {
                  version: desired.version,
                  state: this.#state,
                  since: new Date(0).toISOString(),
                  ...(this.#fault ? { fault: this.#fault } : {}),
                },
              }
            : {}),
          quarantined: [...this.#quarantined].map((version) => ({
            version,
            until: new Date(8.64e15).toISOString(),
            reason: 'it was bad',
          })),
        },
      ],
    };
  }

  /** What it committed once it runs as well as ever. */
  #mannerToward(desired: DesiredModel): Manner {
    if (desired.version === '1.0.0' || keepsCommitted(this.slots, desired.manifest)) return 'good';
    return this.mannerOf.get(desired.version) ?? this.manner;
  }

  async #refuse(uplink: DeviceUplink, state: UpdateState, code: string): Promise<boolean> {
    this.#refused.add(`${this.#desired!.version} ${this.#desired!.rollout}`);
    if (code !== 'version_quarantined') this.#quarantined.add(this.#desired!.version);
    this.#state = state;
    await this.#send(uplink, state, code);
    await this.report(uplink);
    return true;
  }

  async #send(uplink: DeviceUplink, state: UpdateState, code?: string): Promise<void> {
    const desired = this.#desired!;
    this.#events += 1;
    this.#fault = code ? { code, message: `because of ${code}`, retry: 'never' as const } : undefined;
    await uplink.event(this.id, {
      v: 1,
      id: `s-${this.#events}`,
      at: new Date(0).toISOString(),
      model: this.#model,
      version: desired.version,
      manifest: desired.manifest,
      ...(desired.rollout === undefined ? {} : { rollout: desired.rollout }),
      sequence: this.sequence,
      state,
      ...(this.#fault ? { fault: this.#fault } : {}),
    });
  }
}

/** Previous versions a device keeps, as agents do by default. */
const KEPT = 2;

export const facts: ReportedState['facts'] = {
  agentVersion: '0.0.0',
  os: 'test',
  arch: 'test',
  cpus: 1,
  memoryBytes: 2 ** 32,
  hostname: 'test',
  providers: ['cpu'],
};

function slotOf(version: string, release: number): SlotRef {
  return { manifest: digestOf(version), version, release, provider: 'cpu' };
}

function installed({ version, manifest, release, left }: SlotRef) {
  return { version, manifest, release, ...(left ? { left } : {}) };
}

function desiredOf(model: string, { version, manifest, release }: SlotRef): DesiredModel {
  const trial = { seconds: 0, minRequests: 0, maxErrorRate: 1, maxCrashes: 0 };
  return { model, version, manifest, release, trial };
}

/** The release of a version in these tests: its first number. */
export function releaseOf(version: string): number {
  return Number.parseInt(version, 10);
}

/** A digest that is recognisably that of `version`. */
export function digestOf(version: string): string {
  return Buffer.from(version).toString('hex').padEnd(64, '0');
}
