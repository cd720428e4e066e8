/**
 * Makes a model answer from what is on the device, without the hub: last-known-good, or when its files are damaged or
 * it does not start, the newest kept version that does (promise P2). Used at start and when going back.
 */
import type { Logger } from '../../platform/logger.ts';
import { errorText, isAppError } from '../../shared/base/app-error.ts';
import type { ServedModels } from '../serving/served-model.ts';
import type { ModelSlots, SlotRef } from '../slots/slot-index.ts';
import type { SlotStore } from '../slots/slot-store.ts';

export class ServingRestorer {
  readonly #slots: SlotStore;
  readonly #served: ServedModels;
  readonly #logger: Logger;

  constructor(props: { readonly slots: SlotStore; readonly served: ServedModels; readonly logger: Logger }) {
    this.#slots = props.slots;
    this.#served = props.served;
    this.#logger = props.logger;
  }

  /** Serves the best of `slots`; undefined, with the model no longer answering, when none of them works. */
  async restore(model: string, slots: ModelSlots): Promise<SlotRef | undefined> {
    for (const ref of [slots.active, ...slots.previous]) {
      if (ref && (await this.#serve(model, ref, false))) return ref;
    }
    await this.#served.retire(model);
    return undefined;
  }

  /** Serves the version on trial beside its standby; false when it cannot be served. */
  async restoreTrial(model: string, trial: SlotRef, rollout: string | undefined): Promise<boolean> {
    return this.#serve(model, trial, true, rollout);
  }

  async #serve(model: string, ref: SlotRef, keepStandby: boolean, rollout?: string): Promise<boolean> {
    try {
      const slot = await this.#slots.verify(ref.manifest);
      await this.#served.serve(slot, ref.provider, { keepStandby, ...(rollout && { rollout }) });
      return true;
    } catch (error) {
      this.#logger.error(
        { model, version: ref.version, reason: errorText(error) },
        'version cannot be served',
      );
      if (isAppError(error, 'slot_damaged')) {
        await this.#slots
          .drop(model, ref.manifest)
          .catch((failed: unknown) =>
            this.#logger.error(
              { model, version: ref.version, reason: errorText(failed) },
              'damaged slot could not be removed',
            ),
          );
      }
      return false;
    }
  }
}
