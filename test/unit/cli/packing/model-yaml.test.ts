import { describe, expect, it } from 'vitest';
import { parseModelYamlText } from '../../../../cli/packing/model-yaml.ts';

const good =
  'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\nsample: { file: s.csv }\ngolden: { rows: 3 }\n';
const parse = (text: string) => parseModelYamlText(Buffer.from(text));

describe('parseModelYamlText()', () => {
  it('takes the smallest useful file', () => {
    expect(parse(good)).toMatchObject({ model: 'm', version: '1.0.0', golden: { rows: 3 } });
  });

  it.each([
    ['text that is not YAML', 'a: [', /not YAML \(.*line 1, column 5/],
    ['a key given twice', `${good}model: n\n`, /Map keys must be unique at line 7/],
    [
      'a version that YAML reads as a number',
      good.replace('1.0.0', '1.0'),
      /\/version must be a string: write it in quotes \(found 1\)/,
    ],
    [
      'a wrong model name',
      good.replace('model: m', 'model: My Model'),
      /\/model must be a model name: lower-case letters.* \(found "My Model"\)/,
    ],
    ['an unknown field', `${good}lable: {}\n`, /\/lable is not a known field/],
    [
      'an unknown field inside',
      good.replace('rows: 3', 'rows: 3, expect: 1'),
      /\/golden\/expect is not a known field/,
    ],
    [
      'too many golden rows',
      good.replace('rows: 3', 'rows: 65'),
      /\/golden\/rows must be <= 64 \(found 65\)/,
    ],
    ['both file and variants', `${good}variants: [{ file: a.onnx }]\n`, /either "file" or "variants"/],
    ['neither file nor variants', good.replace('file: m.onnx\n', ''), /either "file" or "variants"/],
    ['golden rows and a golden file', good.replace('rows: 3', 'rows: 3, file: g.csv'), /found both/],
    [
      'half a surrogate pair in a text',
      'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\nclasses: ["a\\ud83d"]\n',
      /"a\\ud83d" contains half a surrogate pair/,
    ],
    [
      'a label of a sample without a rule',
      'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\nsample: { file: s.csv, label: y }\n',
      /Name the output that it belongs to under "label"/,
    ],
    [
      'a misspelt field of a label rule',
      'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\nsample: { file: s.csv }\nlabel: { output: y, kind: classification, treshold: 0 }\n',
      /\/label\/treshold is not a known field/,
    ],
    [
      'a missing marker that YAML has rounded',
      'model: m\nversion: 1.0.0\nrelease: 1\nfile: m.onnx\nsample: { file: s.csv, missing: [9007199254740993] }\n',
      /marker 9007199254740992 may have been rounded; write it in quotes/,
    ],
    [
      'expected outputs without golden rows',
      good.replace('rows: 3', 'expected: { y: [y] }'),
      /needs "golden.file"/,
    ],
    [
      'what would say how to read golden rows that are those of the sample',
      good.replace('rows: 3', 'rows: 3, missing: [-1]'),
      /"golden.missing" also needs "golden.file" or "golden.arrays"/,
    ],
    ['a name with a line break', `${good}tolerances: { "a\\nb": 1 }\n`, /is not a known field/],
    [
      'infinity where a number is wanted',
      `${good}objectives: { latencyP95Ms: .inf }\n`,
      /latencyP95Ms must be a number \(found Infinity\)/,
    ],
    ['a list', '- 1\n', /it must be an object/],
    ['bytes that are not UTF-8', '\xff', /must be an object/],
  ])('refuses %s', (_, text, message) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'model_yaml_invalid' }));
    expect(() => parse(text)).toThrow(message);
  });

  it.each([
    ['UTF-16', Buffer.from(good, 'utf16le'), /it is UTF-16 text; save it as UTF-8/],
    ['UTF-16 with its mark', Buffer.from(`\ufeff${good}`, 'utf16le'), /it is UTF-16 text; save it as UTF-8/],
    ['Latin-1', Buffer.from(`${good}units: { y: \xb0C }\n`, 'latin1'), /it is not UTF-8 text; save it as/],
  ])('says how text is encoded that is %s', (_, bytes, message) => {
    expect(() => parseModelYamlText(bytes)).toThrow(
      expect.objectContaining({ code: 'model_yaml_invalid', message: expect.stringMatching(message) }),
    );
  });

  it('refuses a file past the limit before it is read as YAML', () => {
    expect(() => parse('#'.repeat(300 * 1024))).toThrow(expect.objectContaining({ code: 'too_large' }));
  });

  it('refuses aliases that grow without bound', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefgh'.split('').map((k, i) => {
        const before = 'abcdefg'[i];
        return `${k}: &${k} [${`*${before},`.repeat(9)}]`;
      }),
    ].join('\n');
    expect(() => parse(bomb)).toThrow(/not YAML/);
  });
});
