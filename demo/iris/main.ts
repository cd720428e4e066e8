/** `npm run example:iris [-- FOLDER]`: makes what README's example needs. */
import { writeIrisFolder } from './iris-folder.ts';

const folder = process.argv[2] ?? 'iris';
await writeIrisFolder(folder);
process.stdout.write(`Made ${folder}: model.yaml, iris.onnx, and iris.csv with 150 invented flowers.\n`);
