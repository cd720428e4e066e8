/** The folder that README packs: a model, the flowers it was trained on, and model.yaml. The same at each run. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom } from '../../shared/base/seeded-random.ts';
import { exportModel, train } from './classifier.ts';
import { drawFlowers, measures } from './flowers.ts';

const PER_KIND = 50;
const SEED = 1936;

/** README quotes it; a test compares the two. */
export const modelYaml = `model: iris
version: 1.0.0
release: 1 # a number that grows with every version: a device does not go back to a lower one by mistake
file: iris.onnx
features: # CSV columns that make up each input of the model; this one has the input "input"
  input: [sepal_length, sepal_width, petal_length, petal_width]
sample: # what inputs look like: drift is measured against it
  file: iris.csv
  label: kind # the CSV column with the correct answers
golden: # rows a device must answer right before the version may serve
  rows: 8
label: { output: output, kind: classification } # the output "output" is compared with the correct answer, once known
classes: [setosa, versicolor, virginica]
`;

/** Writes model.yaml, iris.onnx and iris.csv, over files of these names. */
export async function writeIrisFolder(folder: string): Promise<void> {
  const flowers = drawFlowers(PER_KIND, seededRandom(SEED));
  const rows = flowers.map(({ kind, sizes }) => [...sizes, kind].join(','));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'iris.onnx'), exportModel(train(flowers)));
  await writeFile(join(folder, 'iris.csv'), `${[[...measures, 'kind'].join(','), ...rows].join('\n')}\n`);
  await writeFile(join(folder, 'model.yaml'), modelYaml);
}
