/**
 * The decisions of a device over random histories, without disk or time: whatever came before, it ends on the last good
 * version that it keeps, and what it tells the hub is what answers.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  commitTrial,
  endTrial,
  goBack,
  keepsCommitted,
  type ModelSlots,
  noSlots,
  startTrial,
  versionsBefore,
} from '../../../../agent/slots/slot-index.ts';
import { applyMove } from '../../../../agent/update/attempt-moves.ts';
import { judgeFailure, quarantinedOf } from '../../../../agent/update/failure-policy.ts';
import type { Step } from '../../../../agent/update/step.ts';
import { isSettled, isSwitched, type MachineEvent } from '../../../../agent/update/update-machine.ts';
import { admissionFault, planUpdate } from '../../../../agent/update/update-planner.ts';
import { noFigures, type UpdateRecord } from '../../../../agent/update/update-record.ts';
import type { UpdateFault } from '../../../../shared/protocol/update-event.ts';

const KEEP = 2;
const NOW = 1_000_000;
const manifestOf = (release: number) => release.toString(16).padStart(64, '0');
const fault = (code: string): UpdateFault => ({ code, message: code, retry: 'never' });

/** How a version does on the device this time. */
type Health = 'good' | 'golden' | 'trial';

/** The device, with what is on its disk as values. A kill loses what is not. */
class Device {
  record: UpdateRecord = { v: 2, model: 'm', stream: '0'.repeat(16), quarantined: [], answered: [] };
  slots: ModelSlots = noSlots;
  serving: string | undefined;
  isOrderedBack = false;
  sequence = 0;
  desired: Parameters<typeof planUpdate>[0]['desired'];
  health: Health = 'good';

  setDesired(release: number, health: Health): void {
    this.sequence += 1;
    this.health = health;
    const trial = { seconds: 60, minRequests: 0, maxErrorRate: 0.1, maxCrashes: 0 };
    this.desired = {
      model: 'm',
      version: `${release}.0.0`,
      release,
      manifest: manifestOf(release),
      trial,
      sequence: this.sequence,
    };
  }

  get state() {
    return this.record.attempt?.state ?? 'idle';
  }

  /** Runs until the machine rests, killed after each of `kills` steps. */
  run(kills: readonly number[]): void {
    for (let steps = 0; ; steps += 1) {
      if (steps > 500) throw new Error(`does not come to rest in "${this.state}"`);
      if (kills.includes(steps)) this.restart();
      if (!this.#step()) return;
    }
  }

  restart(): void {
    this.isOrderedBack = false;
    if (this.record.attempt === undefined) this.slots = endTrial(this.slots);
    this.serving = this.slots.active?.manifest;
    const { trial } = this.slots;
    if (trial && (this.state === 'trial' || this.state === 'committed')) this.serving = trial.manifest;
  }

  #step(): boolean {
    const figures = { requests: 10, failed: this.health === 'trial' ? 10 : 0, crashes: 0, refused: 0 };
    const plan = planUpdate({
      desired: this.desired,
      record: this.record,
      slots: this.slots,
      ...(this.state === 'trial' && { trial: { figures: { ...noFigures, ...figures }, spentMs: 60_000 } }),
      isHeld: false,
      isConnected: true,
      isOrderedBack: this.isOrderedBack,
      retryInMs: 0,
    });
    if (plan.kind === 'rest') return false;
    if (plan.kind === 'move') this.#move(plan.event, plan.fault);
    else this.#act(plan.step);
    return true;
  }

  #move(event: MachineEvent, why?: UpdateFault): void {
    const { record, desired, slots } = this;
    this.record = applyMove({ record, event, fault: why, desired, slots, nowMs: NOW });
    if (this.state === 'rolling-back') this.isOrderedBack = false;
  }

  #act(step: Step): void {
    const wrong = this.#work(step);
    if (wrong !== undefined) {
      if (judgeFailure(this.record.attempt!, wrong) === 'give-up') this.#move('failed', wrong);
      return;
    }
    if (!isSettled(this.state)) this.#move('passed');
  }

  /** What step-executors.ts does to slots and serving. */
  #work({ name, attempt }: Step): UpdateFault | undefined {
    const { manifest, version, release } = attempt;
    switch (name) {
      case 'check':
        return admissionFault(attempt, this.record, this.slots, NOW);
      case 'qualify':
        return this.health === 'golden' ? fault('golden_mismatch_on_device') : undefined;
      case 'activate':
        this.slots = startTrial(this.slots, { manifest, version, release, provider: 'cpu' });
        this.serving = manifest;
        return undefined;
      case 'commit':
        this.slots = commitTrial(this.slots, KEEP);
        return undefined;
      case 'rollBack':
        return this.#rollBack(manifest);
      default:
        return undefined;
    }
  }

  #rollBack(manifest: string): UpdateFault | undefined {
    if (this.slots.trial === undefined && this.slots.active?.manifest === manifest) {
      const target = versionsBefore(this.slots, quarantinedOf(this.record, NOW))[0];
      if (target === undefined) return fault('no_previous_version');
      this.serving = target.manifest;
      this.slots = goBack(this.slots, target.manifest);
      return undefined;
    }
    this.serving = this.slots.active?.manifest;
    this.slots = endTrial(this.slots);
    return undefined;
  }
}

/** What a person would say the device should run: versions that ran well, in order, without what was left or failed since. */
class Expected {
  line: number[] = [];

  desire(release: number, health: Health): void {
    const at = this.line.indexOf(release);
    if (health !== 'good') this.line = this.line.filter((one) => one !== release);
    else this.line = at < 0 ? [...this.line, release] : this.line.slice(0, at + 1);
  }
}

const release = fc.integer({ min: 1, max: 6 });
const kills = fc.uniqueArray(fc.integer({ min: 0, max: 12 }), { maxLength: 3 });
const act = fc.oneof(
  fc.record({
    kind: fc.constant('desired' as const),
    release,
    health: fc.constantFrom<Health>('good', 'good', 'good', 'golden', 'trial'),
    kills,
  }),
  // As the hub rolls a rollout back: to what the device ran before, without a trial of its own.
  fc.record({ kind: fc.constant('taken-back' as const), kills }),
  fc.record({ kind: fc.constant('ordered-back' as const), kills }),
);

describe('a device over random histories', () => {
  it('ends on the last good version it keeps, and tells what answers', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 25 }), (actions) => {
        const device = new Device();
        const expected = new Expected();
        const isKept = (one: number) => keepsCommitted(device.slots, manifestOf(one));
        const isQuarantined = (one: number) => quarantinedOf(device.record, NOW).has(manifestOf(one));
        for (const next of actions) {
          const before = expected.line.filter(isKept);
          if (next.kind === 'ordered-back') {
            const [active, ...others] = before.toReversed();
            const target = others.find((one) => !isQuarantined(one));
            if (active === undefined) continue;
            device.isOrderedBack = true;
            // A kill before the order is journalled loses it: the person sees that and orders again.
            device.run(next.kills.filter((at) => at > 0));
            if (target !== undefined) {
              expected.line = expected.line.slice(0, expected.line.indexOf(target) + 1);
            }
          } else {
            const health = next.kind === 'desired' ? next.health : 'good';
            const wanted = next.kind === 'desired' ? next.release : before.at(-2);
            if (wanted === undefined) continue;
            const isAdmitted = (wanted >= device.slots.floor || isKept(wanted)) && !isQuarantined(wanted);
            const isActive = device.slots.active?.release === wanted;
            device.setDesired(wanted, health);
            device.run(next.kills);
            if (isAdmitted && !isActive) expected.desire(wanted, health);
          }
          const last = expected.line.filter(isKept).at(-1);
          const attempt = device.record.attempt;
          expect(device.slots.trial).toBeUndefined();
          expect(device.serving).toBe(last === undefined ? undefined : manifestOf(last));
          expect(device.slots.active?.manifest).toBe(device.serving);
          if (attempt?.state === 'committed') expect(attempt.manifest).toBe(device.serving);
          if (attempt?.state === 'rolled-back') expect(attempt.manifest).not.toBe(device.serving);
          expect(isSwitched(device.state)).toBe(false);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});
