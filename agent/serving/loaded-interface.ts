/**
 * Whether a model that has loaded is the one its version's interface promises. The interface is what clients go by: an
 * output that the runtime cannot hand out, or an input that nobody is told of, fails each request that meets it.
 */
import { AppError } from '../../shared/base/app-error.ts';
import { showShape } from '../../shared/inference/exact-values.ts';
import type { Tensor, TensorSpec } from '../../shared/inference/tensor.ts';
import type { ModelManifest } from '../../shared/manifest/model-manifest.ts';

export interface LoadedInterface {
  readonly inputs: readonly TensorSpec[];
  /** Those that can be handed out. */
  readonly outputs: readonly TensorSpec[];
}

type Versioned = Pick<ModelManifest, 'model' | 'version' | 'interface'>;

/** Throws `interface_not_met`, naming the first input or output that differs. */
export function checkLoadedInterface(manifest: Versioned, loaded: LoadedInterface): void {
  for (const side of ['inputs', 'outputs'] as const) {
    const promised = manifest.interface[side];
    for (const spec of promised) {
      const found = loaded[side].find((one) => one.name === spec.name);
      if (!found) refuse(manifest, side, `"${spec.name}" is missing or cannot be ${verbs[side]}`);
      if (!agrees(spec, found)) {
        refuse(manifest, side, `"${spec.name}" is ${show(found)}, but the interface declares ${show(spec)}`);
      }
    }
  }
  const hidden = loaded.inputs.find((one) =>
    manifest.interface.inputs.every(({ name }) => name !== one.name),
  );
  if (hidden)
    refuse(manifest, 'inputs', `the model also needs "${hidden.name}", which the interface does not declare`);
}

/** The same for an answer: a run shows ranks that the file leaves open. Throws `interface_not_met`. */
export function checkAnswerInterface(manifest: Versioned, answer: readonly Tensor[]): void {
  for (const spec of manifest.interface.outputs) {
    const found = answer.find((tensor) => tensor.name === spec.name);
    if (!found) refuse(manifest, 'outputs', `the answer does not contain "${spec.name}"`);
    if (found.datatype !== spec.datatype || found.shape.length !== spec.shape.length) {
      refuse(
        manifest,
        'outputs',
        `"${spec.name}" is ${show(found)} in the answer, but the interface declares ${show(spec)}`,
      );
    }
  }
}

const verbs = { inputs: 'fed', outputs: 'read' } as const;

/** The runtime shows a scalar and a shape that it does not know in the same way: such a rank is left to the runs. */
function agrees(promised: TensorSpec, { datatype, shape }: TensorSpec): boolean {
  if (promised.datatype !== datatype) return false;
  if (shape.length === 0) return true;
  if (promised.shape.length !== shape.length) return false;
  return promised.shape.every((size, axis) => size === -1 || shape[axis] === -1 || size === shape[axis]);
}

function show({ datatype, shape }: Pick<Tensor, 'datatype' | 'shape'>): string {
  return `${datatype} ${showShape(shape)}`;
}

function refuse({ model, version }: Versioned, side: keyof LoadedInterface, why: string): never {
  throw new AppError(
    'interface_not_met',
    `Cannot serve ${model} ${version}: the ${side} of its model do not match its interface: ${why}.`,
  );
}
