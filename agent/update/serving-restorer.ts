/**
 * Makes a model answer from what is on the device, without the hub: last-known-good, or when its files are damaged or
 * it does not start, the newest kept version that does (promise P2). Used at start and when going back.
 */
import type { Logger } from '../../platform/logger.ts';
import { errorText, isAppError } from '../../shared/base/app-error.ts';
import type { UpdateFault } from '../../shared/protocol/update-event.ts';
import type { Conditions } from '../health/conditions.ts';
import type { ServedModels } from '../serving/served-model.ts';
import { type ModelSlots, type SlotRef, servingOrder } from '../slots/slot-index.ts';
import type { SlotStore } from '../slots/slot-store.ts';
import type { AnsweredOffer } from '../telemetry/observation.ts';
import { toFault } from './failure-policy.ts';

export interface ServingRestorerProps {
  readonly slots: SlotStore;
  readonly served: ServedModels;
  /** Told when a model has no version that can be served. */
  readonly conditions?: Conditions;
  readonly logger: Logger;
}

export class ServingRestorer {
  readonly #slots: SlotStore;
  readonly #served: ServedModels;
  readonly #logger: Logger;
  readonly #conditions: Conditions | undefined;
  readonly #notServing = new Map<string, string>();
  /** Of each model what was said of versions that were damaged, until another one is switched to. */
  readonly #damaged = new Map<string, string>();

  constructor(props: ServingRestorerProps) {
    this.#conditions = props.conditions;
    this.#slots = props.slots;
    this.#served = props.served;
    this.#logger = props.logger;
  }

  /** Serves the best of `slots`; undefined, with the model no longer answering, when none of them works. */
  async restore(model: string, slots: ModelSlots): Promise<SlotRef | undefined> {
    const candidates = servingOrder(slots);
    const served = await this.serveFirst(model, candidates);
    if (served) return served;
    await this.#served.retire(model);
    const tried = candidates.map((ref) => ref.version).join(', ');
    this.#setServingCondition(
      model,
      tried && `"${model}" does not answer: none of its versions on this device can be served (${tried}).`,
    );
    return undefined;
  }

  /** Serves the first of these versions that works; undefined, and nothing has changed, when none does. */
  async serveFirst(model: string, refs: readonly SlotRef[]): Promise<SlotRef | undefined> {
    for (const ref of refs) {
      if (await this.#serve(model, ref, false)) continue;
      this.#setServingCondition(model, undefined);
      return ref;
    }
    return undefined;
  }

  /** A version of the model was switched to and answers now. */
  noteServing(model: string): void {
    this.#setServingCondition(model, undefined);
    this.#damaged.delete(model);
    this.#setDamagedCondition();
  }

  /** The model is given up: it answers no more, and nothing of it is a trouble. */
  async retire(model: string): Promise<void> {
    await this.#served.retire(model);
    this.noteServing(model);
  }

  /** Whether last-known-good does not answer although nothing is on trial. */
  isLacking(model: string): boolean {
    const { active, trial } = this.#slots.of(model);
    return !trial && active !== undefined && this.#served.serving(model) !== active.manifest;
  }

  /** Tries last-known-good again where it is lacking; until it answers, what answers now goes on. */
  async serveLastGood(model: string): Promise<void> {
    const { active } = this.#slots.of(model);
    if (active && this.isLacking(model)) await this.serveFirst(model, [active]);
  }

  /** Serves the version on trial beside its standby; gives why it cannot be served, if so. */
  async restoreTrial(
    model: string,
    trial: SlotRef,
    answersFor: AnsweredOffer | undefined,
  ): Promise<UpdateFault | undefined> {
    return this.#serve(model, trial, true, answersFor);
  }

  #setDamagedCondition(): void {
    const texts = [...this.#damaged.values()];
    this.#conditions?.set('version_damaged', texts.length > 0 ? texts.join(' ') : undefined);
  }

  #setServingCondition(model: string, reason: string | undefined): void {
    if (reason) this.#notServing.set(model, reason);
    else this.#notServing.delete(model);
    const texts = [...this.#notServing.values()];
    this.#conditions?.set('model_not_serving', texts.length > 0 ? texts.join(' ') : undefined);
  }

  /** Why the version cannot be served; undefined when it is. */
  async #serve(
    model: string,
    ref: SlotRef,
    keepStandby: boolean,
    answersFor?: AnsweredOffer,
  ): Promise<UpdateFault | undefined> {
    try {
      const slot = await this.#slots.verify(ref.manifest);
      await this.#served.serve(slot, ref.provider, { keepStandby, answersFor });
      return undefined;
    } catch (error) {
      this.#logger.error(
        {
          model,
          version: ref.version,
          code: isAppError(error) ? error.code : 'internal',
          reason: errorText(error),
        },
        'version cannot be served',
      );
      if (isAppError(error, 'slot_damaged')) {
        this.#damaged.set(
          model,
          `Files of "${model}" ${ref.version} were damaged and removed; the version is fetched again when the hub offers it.`,
        );
        this.#setDamagedCondition();
        await this.#slots
          .drop(model, ref.manifest)
          .catch((failed: unknown) =>
            this.#logger.error(
              { model, version: ref.version, reason: errorText(failed) },
              'damaged slot could not be removed',
            ),
          );
      }
      return toFault(error);
    }
  }
}
