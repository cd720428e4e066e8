/** Which tensors are images, and how they lie in memory, by their shape: a model file says no more of them. */

const CHANNEL_COUNTS = [1, 3, 4];

/**
 * The axis of an image that counts its channels: after the rows and before height and width (NCHW, the convention of
 * ONNX), or last (NHWC); the first or last of three for one image without an axis of rows.
 */
export function channelAxis(shape: readonly number[]): number | undefined {
  const first = shape.length === 4 ? 1 : 0;
  const last = shape.length - 1;
  const isImage = (shape.length === 4 && countsRows(shape)) || (shape.length === 3 && !countsRows(shape));
  if (!isImage) return undefined;
  return [first, last].find((axis) => CHANNEL_COUNTS.includes(shape[axis]!));
}

/** Whether the first axis counts rows, or holds the one row there is. */
export function countsRows(shape: readonly number[]): boolean {
  return shape[0] === -1 || shape[0] === 1;
}
