/** Label rules, held at pack to what the model predicts and to the labels of the sample. */
import { describe, expect, it } from 'vitest';
import { packVersion } from '../../../../cli/packing/pack.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { ModelBuilder } from '../../../../shared/onnx/write-model.ts';
import {
  classifierModel,
  countedClassModel,
  linearModel,
  sigmoidModel,
  textLabelModel,
} from '../../../support/models.ts';
import { makePackFolder, npyBytes, npyFile } from '../../../support/pack-folder.ts';

const head = 'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\n';

async function pack(files: Readonly<Record<string, Uint8Array | string>>) {
  const folder = await makePackFolder(files);
  return packVersion({ folder: folder.path, now: 0, logger: makeLogger('test', 'silent') });
}

const table = (rows: readonly (readonly (string | number)[])[], columns: string) =>
  `${columns}\n${rows.map((row) => row.join(',')).join('\n')}\n`;

interface Labelled {
  readonly onnx: Uint8Array;
  readonly csv: string;
  readonly rule: string;
  readonly features?: string;
}

const labelled = ({ onnx, csv, rule, features = 'a, b' }: Labelled) =>
  pack({
    'model.yaml': `${head}features: { x: [${features}] }\nsample: { file: s.csv, label: y }\n${rule}`,
    'm.onnx': onnx,
    's.csv': csv,
  });

const two = [
  [2, 0, 'faulty'],
  [0, 2, 'ok'],
  [3, 0, 'faulty'],
  [0, 1, 'ok'],
];
const three = [
  [9, 0, 0, 'low'],
  [0, 9, 0, 'mid'],
  [0, 0, 9, 'high'],
];
const byValue = three.map(([a, b, c], i) => [a!, b!, c!, i + 1]);

describe('packVersion() with a label rule', () => {
  it.each<[string, Labelled, object]>([
    [
      'one score against a threshold',
      {
        onnx: sigmoidModel(),
        csv: table(two, 'a,b,y'),
        rule: 'label: { output: p, kind: classification }\nclasses: [ok, faulty]\n',
      },
      { read: 'threshold' },
    ],
    [
      'a logit against the threshold it is given',
      {
        onnx: sigmoidModel({ logit: true }),
        csv: table(two, 'a,b,y'),
        rule: 'label: { output: p, kind: classification, threshold: 0 }\nclasses: [ok, faulty]\n',
      },
      { read: 'threshold', threshold: 0 },
    ],
    [
      'class values from 1, labelled by name',
      {
        onnx: countedClassModel(),
        csv: table(three, 'a,b,c,y'),
        features: 'a, b, c',
        rule: 'label: { output: label, kind: classification, values: [1, 2, 3] }\nclasses: [low, mid, high]\n',
      },
      { read: 'class', values: [1, 2, 3] },
    ],
    [
      'class values from 1, labelled by value',
      {
        onnx: countedClassModel(),
        csv: table(byValue, 'a,b,c,y'),
        features: 'a, b, c',
        rule: 'label: { output: label, kind: classification, values: [1, 2, 3] }\nclasses: [low, mid, high]\n',
      },
      { read: 'class' },
    ],
    [
      'class values without names',
      {
        onnx: countedClassModel(),
        csv: table(byValue, 'a,b,c,y'),
        features: 'a, b, c',
        rule: 'label: { output: label, kind: classification }\n',
      },
      { read: 'class' },
    ],
    [
      'the best of several scores',
      {
        onnx: classifierModel(),
        csv: table(
          [
            [3, 0, 'p'],
            [0, 3, 'q'],
            [-3, -3, 'r'],
          ],
          'a,b,y',
        ),
        rule: 'label: { output: probabilities, kind: classification }\nclasses: [p, q, r]\n',
      },
      { read: 'argmax' },
    ],
    [
      'texts',
      {
        onnx: textLabelModel(),
        csv: table(
          [
            [2, 0, 'ok'],
            [0, 2, 'faulty'],
          ],
          'a,b,y',
        ),
        rule: 'label: { output: label, kind: classification }\n',
      },
      { read: 'class' },
    ],
  ])('agrees with every label on %s', async (_, options, rule) => {
    const { packed, remarks } = await labelled(options);
    expect(packed.manifest.label).toMatchObject(rule);
    expect(remarks).toContainEqual(
      expect.stringMatching(/^(\d) of \1 labelled rows are predicted right \(100 %\)/),
    );
  });

  it('profiles class values as categories, seen or not', async () => {
    const { packed } = await labelled({
      onnx: countedClassModel(),
      csv: table(three.slice(0, 2), 'a,b,c,y'),
      features: 'a, b, c',
      rule: 'label: { output: label, kind: classification, values: [1, 2, 3] }\nclasses: [low, mid, high]\n',
    });
    const label = packed.manifest.profile!.features.find((one) => one.name === 'label');
    expect(label).toMatchObject({ categories: ['1', '2', '3'], counts: [1, 1, 0] });
  });

  it('tells how many labels agree, and the error of a regression; rows without a label are not counted', async () => {
    const { remarks } = await labelled({
      onnx: sigmoidModel(),
      csv: table([...two, [0, 5, 'faulty'], [0, 6, '']], 'a,b,y'),
      rule: 'label: { output: p, kind: classification }\nclasses: [ok, faulty]\n',
    });
    expect(remarks).toContain('4 of 5 labelled rows are predicted right (80 %)');
    const regression = await labelled({
      onnx: linearModel(),
      csv: table(
        [
          [1, 2, 3.5],
          [2, 2, 4],
        ],
        'a,b,y',
      ),
      rule: 'label: { output: y, kind: regression }\n',
    });
    expect(regression.remarks).toContain('mean absolute error over 2 labelled rows: 0.25');
  });

  it('says how many predictions of a regression are no numbers, and figures without them', async () => {
    const root = new ModelBuilder('root')
      .input('x', 'float', ['batch', 1])
      .node('Sqrt', { inputs: ['x'], outputs: ['y'] })
      .output('y', 'float', ['batch', 1])
      .encode();
    const rule = 'label: { output: y, kind: regression }\n';
    const of = (csv: string) => labelled({ onnx: root, csv, rule, features: 'a' });
    expect((await of('a,y\n4,2\n-1,1\n9,4\n')).remarks).toContain(
      'mean absolute error over 2 labelled rows: 0.5 (left out, predicted as NaN or infinite: 1)',
    );
    expect((await of('a,y\n-4,2\n-1,1\n')).remarks).toContain(
      'none of 2 labelled rows is predicted as a number: all are NaN or infinite',
    );
  });

  it('takes labels of golden rows, and labels from an array', async () => {
    const golden = await pack({
      'model.yaml': `${head}golden: { file: g.csv, columns: { x: [a, b] }, label: y }\nlabel: { output: p, kind: classification }\nclasses: [ok, faulty]\n`,
      'm.onnx': sigmoidModel(),
      'g.csv': table(two, 'a,b,y'),
    });
    expect(golden.remarks).toContain('4 of 4 labelled rows are predicted right (100 %)');
    const arrays = await pack({
      'model.yaml': `${head}sample: { arrays: { x: x.npy }, label: y.npy }\nlabel: { output: p, kind: classification }\n`,
      'm.onnx': sigmoidModel(),
      'x.npy': npyFile([2, 2], [2, 0, 0, 2]),
      'y.npy': npyBytes('|b1', [2], Uint8Array.of(1, 0)),
    });
    expect(arrays.remarks).toContain('2 of 2 labelled rows are predicted right (100 %)');
  });

  it.each<[string, Labelled, string, RegExp]>([
    [
      'class values that are no places among the class names',
      {
        onnx: countedClassModel(),
        csv: table(three, 'a,b,c,y'),
        features: 'a, b, c',
        rule: 'label: { output: label, kind: classification }\nclasses: [low, mid, high]\n',
      },
      'interface_mismatch',
      /output "label" gives 3, expected one of 0, 1, 2; list under "label.values" what the model gives for each class/,
    ],
    [
      'a logit read as a probability',
      {
        onnx: sigmoidModel({ logit: true }),
        csv: table(two, 'a,b,y'),
        rule: 'label: { output: p, kind: classification }\nclasses: [ok, faulty]\n',
      },
      'interface_mismatch',
      /output "p" gives .*, which is not a probability; .*"label.threshold"/,
    ],
    [
      'one column by its best',
      {
        onnx: sigmoidModel(),
        csv: table(two, 'a,b,y'),
        rule: 'label: { output: p, kind: classification, read: argmax }\nclasses: [ok, faulty]\n',
      },
      'interface_mismatch',
      /"read: argmax" needs one score for each class, .*; use "read: threshold" or "read: class"/,
    ],
    [
      'a threshold for three classes',
      {
        onnx: sigmoidModel(),
        csv: table(two, 'a,b,y'),
        rule: 'label: { output: p, kind: classification }\nclasses: [ok, odd, faulty]\n',
      },
      'interface_mismatch',
      /a threshold separates two classes, found 3/,
    ],
    [
      'more class names than scores',
      {
        onnx: classifierModel(),
        csv: table([[3, 0, 'p']], 'a,b,y'),
        rule: 'label: { output: probabilities, kind: classification }\nclasses: [p, q, r, s]\n',
      },
      'interface_mismatch',
      /has 3 columns, but there are 4 classes/,
    ],
    [
      'a label that is no class, by its row',
      {
        onnx: sigmoidModel(),
        csv: table(
          [
            [2, 0, 'faulty'],
            [0, 2, 'good'],
          ],
          'a,b,y',
        ),
        rule: 'label: { output: p, kind: classification }\nclasses: [ok, faulty]\n',
      },
      'sample_invalid',
      /row 2, column "y": "good" is not a class of the model; its classes are ok, faulty/,
    ],
    [
      'labels of which none agrees',
      {
        onnx: sigmoidModel(),
        csv: table(
          Array.from({ length: 20 }, (_, i) => [i + 1, 0, 'ok']),
          'a,b,y',
        ),
        rule: 'label: { output: p, kind: classification }\nclasses: [ok, faulty]\n',
      },
      'interface_mismatch',
      /none of the 20 labels agrees with output "p" \(row 1, column "y" is "ok", but the model predicts "faulty"\)/,
    ],
    [
      'a regression of texts',
      {
        onnx: textLabelModel(),
        csv: table([[2, 0, 1]], 'a,b,y'),
        rule: 'label: { output: label, kind: regression }\n',
      },
      'interface_mismatch',
      /a regression compares numbers/,
    ],
  ])('refuses %s', async (_, options, code, message) => {
    await expect(labelled(options)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
