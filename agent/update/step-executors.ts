/**
 * What each step does to the world. The table is typed by step.ts: a step without an executor does not compile. Every
 * executor can be run again after having been cut off at any point, and says what went wrong by throwing.
 */
import { AppError } from '../../shared/base/app-error.ts';
import type { Clock } from '../../shared/base/clock.ts';
import { shorten } from '../../shared/base/safe-text.ts';
import type { VersionDownload } from '../download/version-download.ts';
import type { SampleListener, ServedModels } from '../serving/served-model.ts';
import type { Slot } from '../slots/slot.ts';
import { keepsCommitted, versionsBefore } from '../slots/slot-index.ts';
import type { SlotStore } from '../slots/slot-store.ts';
import type { TrustedVersions } from '../trust/trusted-version.ts';
import { offerOf } from './answered-rollout.ts';
import { noVersionBefore, quarantinedOf, StepFailed } from './failure-policy.ts';
import type { Mutex } from './mutex.ts';
import type { ServingRestorer } from './serving-restorer.ts';
import type { StepArguments, StepName, StepResult } from './step.ts';
import { admissionFault } from './update-planner.ts';
import type { UpdateRecord } from './update-record.ts';

export interface Work {
  readonly signal: AbortSignal;
  /** The state's own work begins now, after whatever it waited for; durable when resolved. */
  begins(): Promise<void>;
  /** So many golden samples were right. */
  readonly sampled: SampleListener;
}

export type StepExecutors = {
  readonly [N in StepName]: (
    args: StepArguments[N] & { readonly record: UpdateRecord },
    work: Work,
  ) => Promise<StepResult>;
};

export interface StepExecutorProps {
  readonly trust: Pick<TrustedVersions, 'lookUp'>;
  readonly download: Pick<VersionDownload, 'fetch' | 'install'>;
  readonly slots: SlotStore;
  readonly served: ServedModels;
  readonly restorer: ServingRestorer;
  /** For what takes the whole machine: hashing and golden samples. Never for the network, which others share. */
  readonly heavyWork: Mutex;
  readonly isConnected: () => boolean;
  readonly clock: Clock;
}

export function makeStepExecutors(props: StepExecutorProps): StepExecutors {
  const { trust, download, slots, served, restorer, heavyWork, isConnected, clock } = props;

  /** What the publisher signed of the version is what the hub asks for, and it was not withdrawn. */
  async function checkSigned({
    attempt,
    record,
  }: StepArguments['check'] & { readonly record: UpdateRecord }) {
    const trusted = await trust.lookUp(record.model, attempt.version);
    if (trusted.manifestSha256 !== attempt.manifest) {
      throw new AppError(
        'manifest_mismatch',
        `Cannot install "${record.model}" ${attempt.version}: the hub requests manifest "${attempt.manifest}", and the publisher signed "${trusted.manifestSha256}".`,
      );
    }
    if (trusted.withdrawnReason !== undefined) {
      throw new AppError(
        'version_withdrawn',
        `Cannot install "${record.model}" ${attempt.version}: the publisher withdrew it (${trusted.withdrawnReason}).`,
      );
    }
  }

  /** Heavy work waits for the mutex, but not on going back to a version that was committed here (promise P2). */
  function inTurn<T>(
    { attempt, record }: StepArguments['verify'] & { readonly record: UpdateRecord },
    { signal, begins }: Work,
    work: () => Promise<T>,
  ): Promise<T> {
    const begun = async () => {
      await begins();
      return work();
    };
    const isGoingBack = keepsCommitted(slots.of(record.model), attempt.manifest);
    return isGoingBack ? begun() : heavyWork.runExclusive(begun, signal);
  }

  return {
    async check(args, { begins }) {
      const { attempt, record } = args;
      await begins();
      const fault = admissionFault(attempt, record, slots.of(record.model), clock.now());
      if (fault) throw new StepFailed(fault);
      await checkSigned(args);
      return {};
    },

    async download({ attempt }, { signal, begins }) {
      await begins();
      await download.fetch(attempt.manifest, signal);
      return {};
    },

    async verify(args, work) {
      const { attempt, record } = args;
      const { signal } = work;
      // A try that failed may have found a chunk that had decayed since it was fetched.
      if (attempt.fault) await download.fetch(attempt.manifest, signal);
      const slot = await inTurn(args, work, () => download.install(attempt.manifest, signal));
      // What was signed is the manifest; the desired state only says of it what it says itself.
      const { model, version, release } = slot.manifest;
      if (model !== record.model || version !== attempt.version || release !== attempt.release) {
        throw new AppError(
          'manifest_mismatch',
          `Cannot install "${record.model}" ${attempt.version} (release ${attempt.release}): its manifest is of "${model}" ${version} (release ${release}).`,
        );
      }
      return {};
    },

    async qualify(args, work) {
      const { attempt } = args;
      // A long download, a hold or a restart lies between; without the hub what was verified then counts.
      if (isConnected()) await checkSigned(args);
      const outcome = await inTurn(args, work, async () =>
        served.qualify(await slots.verify(attempt.manifest), work.sampled),
      );
      if (!outcome.ok) throw new StepFailed(outcome.fault);
      const { ok: _, passedOver, ...facts } = outcome;
      const { provider } = facts;
      const reasons = shorten(passedOver.join('; '), 512);
      return { provider, facts: reasons ? { ...facts, passedOver: reasons } : facts };
    },

    async activate({ attempt, record }, { begins }) {
      await begins();
      const { manifest, provider = 'cpu' } = attempt;
      const slot = await slots.verify(manifest);
      // What it is called is what its manifest says; the journal is a file like any other.
      const { version, release } = slot;
      checkModel(slot, record.model);
      await slots.startTrial(record.model, { manifest, version, release, provider });
      await served.serve(slot, provider, {
        keepStandby: true,
        answersFor: offerOf(attempt),
      });
      restorer.noteServing(record.model);
      return {};
    },

    async commit({ record }) {
      await slots.commit(record.model);
      await served.dropStandby(record.model);
      return {};
    },

    // Serving comes first: whatever the disk says afterwards, the version before answers again (promise P2).
    async rollBack({ attempt, record }) {
      const { model } = record;
      const { active, trial } = slots.of(model);
      if (trial === undefined && active?.manifest === attempt.manifest) await leave(record);
      else {
        await restorer.restore(model, slots.of(model));
        if (trial) await slots.endTrial(model);
      }
      await served.dropStandby(model);
      return {};
    },
  };

  /** Leaves a version that was committed, for the one before that can be served. Throws when there is none: then it stays. */
  async function leave(record: UpdateRecord): Promise<void> {
    const { model } = record;
    const target = await restorer.serveFirst(
      model,
      versionsBefore(slots.of(model), quarantinedOf(record, clock.now())),
    );
    if (target) return slots.goBack(model, target);
    await restorer.restore(model, slots.of(model));
    throw noVersionBefore(model);
  }
}

function checkModel(slot: Slot, model: string): void {
  if (slot.model === model) return;
  throw new AppError(
    'manifest_mismatch',
    `Cannot serve "${model}" ${slot.version}: its manifest is of model "${slot.model}".`,
  );
}
