/** Tells a failed allocation from other failures of ONNX Runtime, which have a text but no code. */
import { AppError, errorText } from '../shared/base/app-error.ts';
import { formatBytes } from '../shared/base/bytes.ts';

const allocationPattern =
  /bad_alloc|failed to allocate|allocation failed|out of memory|cannot allocate memory/i;

/** `runner_out_of_memory` when `cause` is a failed allocation in a runner that may take `memoryBytesMax`, else undefined. */
export function asMemoryError(cause: unknown, act: string, memoryBytesMax: number): AppError | undefined {
  const text = errorText(cause);
  if (!allocationPattern.test(text)) return undefined;
  const asked = /buffer of size (\d+)/.exec(text)?.[1];
  const more = asked ? ` (${formatBytes(Number(asked))} at once)` : '';
  return new AppError(
    'runner_out_of_memory',
    `Cannot ${act}: it needs more memory${more} than the ${formatBytes(memoryBytesMax)} that a runner may use on this device.`,
    { cause },
  );
}
