/** Asks a local API with tensors as raw bytes: the form that every datatype has. */
import type { Datatype, Tensor } from '../../shared/inference/tensor.ts';
import { encodeNumbers, numbersOf } from '../../shared/inference/tensor-values.ts';

const headerLength = 'inference-header-content-length';

export interface NamedNumbers {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

export interface InferResult {
  readonly version: string;
  readonly outputs: Readonly<
    Record<
      string,
      { readonly datatype: Datatype; readonly shape: readonly number[]; readonly values: readonly number[] }
    >
  >;
}

/** A refusal is thrown as an error with the answer's own text. */
export async function inferBinary(
  url: string,
  model: string,
  inputs: readonly NamedNumbers[],
): Promise<InferResult> {
  const raw = inputs.map(({ datatype, values }) => encodeNumbers(datatype, values));
  const json = Buffer.from(
    JSON.stringify({
      parameters: { binary_data_output: true },
      inputs: inputs.map(({ name, datatype, shape }, i) => ({
        ...{ name, datatype, shape },
        parameters: { binary_data_size: raw[i]!.byteLength },
      })),
    }),
  );
  const response = await fetch(`${url}/v2/models/${model}/infer`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', [headerLength]: String(json.byteLength) },
    body: Buffer.concat([json, ...raw]),
  });
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status !== 200) throw new Error(body.toString());
  return readAnswer(body, Number(response.headers.get(headerLength)));
}

function readAnswer(body: Buffer, jsonBytes: number): InferResult {
  const answer = JSON.parse(body.subarray(0, jsonBytes).toString()) as {
    model_version: string;
    outputs: (Omit<Tensor, 'data'> & { parameters: { binary_data_size: number } })[];
  };
  let at = jsonBytes;
  const outputs = answer.outputs.map(({ name, datatype, shape, parameters }) => {
    const data = body.subarray(at, at + parameters.binary_data_size);
    at += parameters.binary_data_size;
    return [name, { datatype, shape, values: [...numbersOf({ name, datatype, shape, data })] }] as const;
  });
  return { version: answer.model_version, outputs: Object.fromEntries(outputs) };
}
