/** What the update machine asks of serving. */
import type { ErrorCode } from '../../shared/errors/catalogue.ts';
import type { UpdateFault } from '../../shared/protocol/update-event.ts';
import type { Slot } from '../slots/slot.ts';
import type { AnsweredOffer } from '../telemetry/observation.ts';

/** Outcome of running a version's golden samples on this device. */
export type Qualification =
  | {
      readonly ok: true;
      readonly provider: string;
      readonly samples: number;
      readonly latencyP50Ms: number;
      readonly latencyMaxMs: number;
      readonly residentBytes: number;
      /** The most the runner took, loading included. */
      readonly peakBytes: number;
      /** Why providers before the chosen one were not used. */
      readonly passedOver: readonly string[];
    }
  | { readonly ok: false; readonly fault: UpdateFault };

/** Figures of the version that serves now, since it was switched to. */
export interface ServedFigures {
  /** Requests it ran, and those of them that failed. */
  readonly requests: number;
  readonly failed: number;
  /** Requests whose tensors it refused and the version before takes; not among `requests`. */
  readonly refused: number;
  readonly crashes: number;
  /** Its code alone: what the runtime says of a failed request may quote the request (promise P7). */
  readonly lastError?: ErrorCode;
}

export interface ServeOptions {
  /** Keep the version that was active warm: it answers while the new one's runner is down, and reverting to it is instant. */
  readonly keepStandby: boolean;
  /** The offer that brought the version, for telemetry. */
  readonly answersFor?: AnsweredOffer | undefined;
}

/** Told each time a version's runner could not start again because the version's files were damaged. */
export type DamageListener = (model: string, manifestSha256: string) => void;

/** Told of each golden sample that was right, over all providers tried, before the next one runs. */
export type SampleListener = (samplesDone: number) => Promise<void>;

export interface ServedModels {
  /** Runs the golden samples in a runner of its own, which ends with the call. */
  qualify(slot: Slot, onSample?: SampleListener): Promise<Qualification>;
  /**
   * Makes `slot` the version that answers, without dropping a request: the new runner is ready before the switch, requests
   * under way end on the old one, which then stays warm as `standby` while `keepStandby` is true.
   */
  serve(slot: Slot, provider: string, options: ServeOptions): Promise<void>;
  /** The version that answers, if it is this one, answers for this offer now, or for none: telemetry says for which. */
  answerFor(model: string, manifestSha256: string, offer: AnsweredOffer | undefined): void;
  /** Stops answering for a model: it has no version left on this device. Resolves too when it served none. */
  retire(model: string): Promise<void>;
  /** Ends the standby runner of a model. */
  dropStandby(model: string): Promise<void>;
  figures(model: string): ServedFigures | undefined;
  /** Manifest digest of the version that answers for a model; undefined when none does. */
  serving(model: string): string | undefined;
  whenDamaged(listener: DamageListener): void;
  close(): Promise<void>;
}
