import { describe, expect, it } from 'vitest';
import { classLabels } from '../../../../shared/onnx/class-labels.ts';
import { attributeType, type GraphProto, type NodeProto } from '../../../../shared/onnx/model-proto.ts';

const node = (op_type: string, input: string[], output: string[], labels?: readonly number[]): NodeProto =>
  ({
    op_type,
    input,
    output,
    attribute: labels ? [{ name: 'classlabels_ints', type: attributeType.ints, ints: labels }] : [],
  }) as unknown as NodeProto;

const graph = (...nodes: NodeProto[]) => ({ node: nodes }) as unknown as GraphProto;

/** A classifier with `ops` behind it, one after the other, up to output `y`. */
function carried(ops: readonly string[]): GraphProto {
  const names = ['scores', ...ops.slice(1).map((_, i) => `v${i}`), 'y'];
  const classifier = node('LinearClassifier', ['x'], ['label', ops.length === 0 ? 'y' : 'scores'], [3, 1, 2]);
  return graph(...ops.map((op, i) => node(op, [names[i]!], [names[i + 1]!])), classifier);
}

describe('classLabels()', () => {
  it.each([
    ['nothing', []],
    ['one step', ['Cast']],
    ['several steps', ['Normalizer', 'Reshape', 'Cast', 'Identity']],
    ['as many steps as are followed', new Array<string>(8).fill('Identity')],
  ])('finds the classes with %s between classifier and output', (_, ops) => {
    expect(classLabels(carried(ops), 'y')).toEqual([3, 1, 2]);
  });

  it.each([
    ['a step that gives other columns', ['Cast', 'Gather', 'Identity']],
    ['a step that gives other classes', ['ArgMax']],
    ['more steps than are followed', new Array<string>(9).fill('Identity')],
  ])('names none behind %s', (_, ops) => {
    expect(classLabels(carried(ops), 'y')).toBeUndefined();
  });

  it('ends where a damaged graph goes in a circle or comes from nowhere', () => {
    const circle = graph(node('Identity', ['y'], ['z']), node('Cast', ['z'], ['y']));
    expect(classLabels(circle, 'y')).toBeUndefined();
    expect(classLabels(graph(node('Identity', [], ['y'])), 'y')).toBeUndefined();
    expect(classLabels(graph(node('Identity', ['x'], ['y'])), 'y')).toBeUndefined();
  });
});
