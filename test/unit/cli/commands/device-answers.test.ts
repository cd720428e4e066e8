import { expect, it } from 'vitest';
import { deviceText } from '../../../../cli/commands/device-answers.ts';
import { StreamPrinter } from '../../../../cli/printer.ts';
import { deviceAnswer } from '../../../support/api-answers.ts';

it('deviceText() says what an update waits for', () => {
  const at = '2026-11-27T12:00:00.000Z';
  const device = deviceAnswer({
    models: [
      {
        model: 'iris',
        previous: [],
        quarantined: [],
        update: {
          ...{ version: '1.1.0', state: 'downloading', since: at },
          waiting: { reason: 'in-line', text: 'the hub serves other devices first', since: at },
        },
      },
    ],
  });
  const printer = new StreamPrinter({ format: 'table', out: () => undefined, err: () => undefined });
  const lines = deviceText(printer, device, 0);
  expect(lines).toContainEqual(
    expect.stringMatching(/^waiting {6}\(in-line\) since 2026-11-27 .*: the hub serves other devices first$/),
  );
});
