import { expect, it } from 'vitest';
import { identityModel } from '../../../support/models.ts';
import { runLocalApi } from '../../../support/running-models.ts';
import { fp32Spec, makeServingSlot } from '../../../support/serving-slot.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

it.each([
  ['FORMAT_NCHW', [-1, 3, 8, 6]],
  ['FORMAT_NHWC', [-1, 8, 6, 3]],
  ['FORMAT_NONE', [-1, 8, 6, 5]],
  ['FORMAT_NONE', [-1, 8]],
  // Without an axis of samples a configuration has four dimensions, which no image format is for.
  ['FORMAT_NONE', [1, 3, 8, 6]],
])('a client for images is told %s of an input of %j', async (format, shape) => {
  const { api, models } = await runLocalApi();
  const dims = shape.map((size) => (size === -1 ? 'batch' : size));
  const slot = await makeServingSlot({
    folder: await tempFolder(),
    onnx: identityModel('float', { dims }),
    inputs: [fp32Spec('x', shape)],
    outputs: [fp32Spec('y', shape)],
  });
  await models.serve(slot, 'cpu', { keepStandby: false });
  const config = (await (await fetch(`${api.url}/v2/models/m/config`)).json()) as { input: unknown };
  expect(config.input).toMatchObject([{ name: 'x', format }]);
});
