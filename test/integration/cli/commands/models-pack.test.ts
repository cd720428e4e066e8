import { describe, expect, it } from 'vitest';
import { packCommand } from '../../../../cli/commands/models-pack.ts';
import type { CliContext } from '../../../../cli/context.ts';
import { linearModel } from '../../../support/models.ts';
import { makePackFolder } from '../../../support/pack-folder.ts';

const yaml =
  'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\nfeatures: { x: [a, b] }\nsample: { file: s.csv }\ngolden: { rows: 1 }\n';

describe('modelfleet models pack', () => {
  it('prints what it packed, and remarks apart from it', async () => {
    const folder = await makePackFolder({
      'model.yaml': yaml,
      'm.onnx': linearModel(),
      's.csv': 'a,b\n1,2\n3,\n',
    });
    const printed = { values: [] as unknown[], texts: [] as string[], notes: [] as string[] };
    const context: CliContext = {
      hub: () => Promise.reject(new Error('packing needs no hub')),
      printer: () => ({
        isData: false,
        isQuiet: false,
        result(value, text) {
          printed.values.push(value);
          printed.texts.push([text()].flat().join('\n'));
        },
        table: () => [],
        note: (text) => printed.notes.push(text),
        progress: () => ({ bytes: () => undefined, step: () => undefined, end: () => undefined }),
        more: () => undefined,
      }),
      flags: () => ({}),
      endWith: () => undefined,
    };
    await packCommand(context).parseAsync([folder.path], { from: 'user' });
    expect(printed.values[0]).toMatchObject({
      model: 'm',
      version: '1.0.0',
      goldenSamples: 1,
      features: ['a', 'b', 'y'],
    });
    expect(printed.texts[0]).toMatch(/^Packed m 1\.0\.0 \(release 1\) into /);
    expect(printed.notes).toContain('Note: 1 of 2 sample rows lack a value and were not run.');
  });
});
