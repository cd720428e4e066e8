/**
 * Parts an inference request of the Open Inference Protocol into its outline and the `data` lists of its inputs, without
 * decoding anything: the lists, which may be of any length, are read to typed values later (`tensor-json.ts`), and what is
 * left is small and goes through a schema like everything else.
 */
import { AppError } from '../base/app-error.ts';
import { stringEnd } from '../base/json-depth.ts';
import { limits } from '../base/limits.ts';
import { SLICE_BYTES, type Slices } from '../base/slices.ts';

export interface DataSpan {
  readonly from: number;
  readonly to: number;
}

export interface RequestOutline {
  /** The JSON, with each `data` list of an input replaced by its index in `spans`. */
  readonly json: Uint8Array;
  readonly spans: readonly DataSpan[];
}

/** Depths of `{"inputs": [{"data": …}]}`. */
const ROOT = 1;
const INPUT = 3;
/** `data` with every letter as `\uXXXX` has 24 characters, `inputs` 36. */
const KEY_BYTES_MAX = 40;

/**
 * Throws `too_large` when the outline is, `bad_input` for nesting that no request has. Bytes that are not JSON may pass
 * in any shape: the parser of the outline and the reader of the lists refuse them.
 */
export function* readOutline(bytes: Uint8Array): Slices<RequestOutline> {
  const parts: Uint8Array[] = [];
  const spans: DataSpan[] = [];
  let kept = 0;
  let copied = 0;
  let depth = 0;
  let key = '';
  let hasInputs = false;
  let last: DataSpan = { from: 0, to: 0 };
  for (let at = 0; at < bytes.length; at += 1) {
    if (kept + at - copied > limits.inferOutlineBytesMax)
      refuse(
        'too_large',
        `everything in it except the data of inputs exceeds ${limits.inferOutlineBytesMax} bytes`,
      );
    const byte = bytes[at]!;
    if (byte === 0x22) {
      const to = copied + limits.inferOutlineBytesMax - kept;
      const end = stringEnd(bytes, at, Math.min(bytes.length, to + 1));
      last = { from: at, to: end + 1 };
      at = end;
    } else if (byte === 0x3a) {
      key = depth === ROOT || depth === INPUT ? keyText(bytes.subarray(last.from, last.to)) : '';
      if (depth === ROOT) hasInputs = key === 'inputs';
      if (depth !== INPUT || !hasInputs || key !== 'data') continue;
      const from = skipSpace(bytes, at + 1);
      if (bytes[from] !== 0x5b) refuse('bad_input', 'the data of an input is not a list');
      const to = yield* listEnd(bytes, from);
      parts.push(bytes.subarray(copied, from), Buffer.from(String(spans.length)));
      kept += from - copied;
      copied = to;
      spans.push({ from, to });
      at = to - 1;
    } else if ((byte | 0x20) === 0x7b) {
      depth += 1;
      if (depth > limits.jsonDepthMax)
        refuse('bad_input', `it is nested more than ${limits.jsonDepthMax} levels deep`);
    } else if ((byte | 0x20) === 0x7d) depth -= 1;
  }
  if (spans.length === 0) return { json: bytes, spans };
  parts.push(bytes.subarray(copied));
  return { json: Buffer.concat(parts), spans };
}

/** Index after the bracket that closes the list at `from`; the number of bytes when none does. */
function* listEnd(bytes: Uint8Array, from: number): Slices<number> {
  let depth = 0;
  let pauseAt = from + SLICE_BYTES;
  for (let at = from; at < bytes.length; at += 1) {
    if (at >= pauseAt) {
      yield;
      pauseAt = at + SLICE_BYTES;
    }
    const byte = bytes[at]!;
    if (byte === 0x22) at = stringEnd(bytes, at);
    else if (byte === 0x5b) {
      depth += 1;
      if (depth > limits.tensorRankMax + 1)
        refuse('bad_input', 'the data of an input is nested deeper than any tensor');
    } else if (byte === 0x5d) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return bytes.length;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at]! <= 0x20) at += 1;
  return at;
}

/** The key between two quotes, quotes included in the bytes; empty when it is none of ours. */
function keyText(quoted: Uint8Array): string {
  if (quoted.byteLength > KEY_BYTES_MAX) return '';
  try {
    return String(JSON.parse(Buffer.from(quoted).toString()));
  } catch {
    return '';
  }
}

function refuse(code: 'bad_input' | 'too_large', why: string): never {
  throw new AppError(code, `Cannot read the inference request: ${why}.`);
}
