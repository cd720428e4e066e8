/**
 * Runs rows of a sample through a model. A model with state is run as it is served: in order, each step with the state the
 * step before gave back, and with the first state again where a sequence begins.
 */
import { AppError, isAppError } from '../../shared/base/app-error.ts';
import type { Tensor } from '../../shared/inference/tensor.ts';
import { freeBatch } from './row-input.ts';
import type { SampleRows } from './sample-rows.ts';

/** Runs a model once over the given inputs. */
export type Infer = (inputs: readonly Tensor[]) => Promise<readonly Tensor[]>;

/** Which output of a step is which input of the next: output name by input name. */
export type CarriedState = ReadonlyMap<string, string>;

export interface RowRun {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

export class RowRuns {
  readonly #rows: SampleRows;
  readonly #infer: Infer;
  readonly #state: CarriedState;
  readonly #carried = new Map<string, Tensor>();
  #sequence: number | undefined;

  /** A state that the sample gives row by row is taken from there and not carried. */
  constructor(rows: SampleRows, { infer, state }: { readonly infer: Infer; readonly state: CarriedState }) {
    this.#rows = rows;
    this.#infer = infer;
    const given = rows.varyingInputs;
    this.#state = new Map([...state].filter(([input]) => !given.includes(input)));
  }

  /** Whether a row depends on those before it; then they are run one by one, in order and none left out. */
  get inOrder(): boolean {
    return this.#state.size > 0;
  }

  /** Runs rows (one, where they are run in order). Throws what the runner throws, naming the rows. */
  async run(rows: readonly number[]): Promise<RowRun> {
    const sequence = this.#rows.sequenceOf(rows[0]!);
    if (sequence !== this.#sequence) this.#carried.clear();
    this.#sequence = sequence;
    const inputs = this.#rows.tensors(rows).map((tensor) => this.#carried.get(tensor.name) ?? tensor);
    const outputs = await this.#infer(inputs).catch(async (cause: unknown) => {
      throw withRows(cause, await this.#failing(rows, cause));
    });
    for (const [input, output] of this.#state) {
      const tensor = outputs.find((candidate) => candidate.name === output);
      if (tensor) this.#carried.set(input, { ...tensor, name: input });
    }
    return { inputs, outputs };
  }

  /** Of rows that failed together, the first that fails alone. */
  async #failing(rows: readonly number[], cause: unknown): Promise<readonly number[]> {
    if (rows.length === 1 || !isAppError(cause, 'inference_failed')) return rows;
    for (const row of rows) {
      const failed = await this.#infer(this.#rows.tensors([row])).then(
        () => false,
        (error: unknown) => isAppError(error, 'inference_failed'),
      );
      if (failed) return [row];
    }
    return rows;
  }
}

function withRows(cause: unknown, rows: readonly number[]): unknown {
  if (!(cause instanceof AppError)) return cause;
  const [first, last] = [rows[0]! + 1, rows.at(-1)! + 1];
  const which = first === last ? `row ${first}` : `rows ${first} to ${last} together`;
  // What an exporter bakes in shows as a Reshape to other sizes.
  const hint = /reshape/i.test(cause.message)
    ? ` If the model was exported for one batch size, ${freeBatch}.`
    : '';
  return new AppError(cause.code, `Cannot run ${which} of the sample. ${cause.message}${hint}`, {
    cause,
    ...(cause.details ? { details: cause.details } : {}),
  });
}
