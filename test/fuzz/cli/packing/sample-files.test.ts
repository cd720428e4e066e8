import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CsvTable } from '../../../../cli/packing/csv-table.ts';
import { parseModelYamlText } from '../../../../cli/packing/model-yaml.ts';
import { parseNpy } from '../../../../cli/packing/npy-array.ts';
import { AppError } from '../../../../shared/base/app-error.ts';
import { datatypes } from '../../../../shared/inference/tensor.ts';
import { npyFile } from '../../../support/pack-folder.ts';

function answers(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
  }
}

describe('parsers of sample files on hostile bytes', () => {
  it('CsvTable answers any text and any bytes', () => {
    const csvText = fc.string({
      unit: fc.constantFrom('a', '1', ',', '"', '\n', '\r', ' ', '-', '.', 'é', ';'),
    });
    const bytes = fc.oneof(
      csvText.map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 200 }),
    );
    fc.assert(
      fc.property(bytes, fc.boolean(), fc.constantFrom(...datatypes), (content, header, datatype) =>
        answers(() => {
          const table = CsvTable.parse(content, 'a', { header });
          for (const column of table.columns) table.elements(column, datatype);
        }),
      ),
      { numRuns: 2_000 },
    );
  });

  it('parseNpy() answers a file with bytes changed', () => {
    const file = npyFile([2, 3], [1, 2, 3, 4, 5, 6]);
    const change = fc.tuple(fc.nat({ max: file.length - 1 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), fc.nat({ max: file.length }), (changes, end) => {
        const bytes = Uint8Array.from(file);
        for (const [at, value] of changes) bytes[at] = value;
        answers(() => parseNpy(bytes.subarray(0, end), 'a'));
      }),
      { numRuns: 2_000 },
    );
  });

  it('parseModelYamlText() answers any text', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.json(),
      fc.constantFrom('&a *a', '!!js x', '? ? ?', '<<: *x'),
    );
    fc.assert(
      fc.property(text, (yaml) => answers(() => parseModelYamlText(Buffer.from(yaml)))),
      { numRuns: 1_000 },
    );
  });
});
