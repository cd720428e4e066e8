/** The folder of a small linear model, as a publisher would have it, and packing it in a test. */
import { type PackResult, packVersion } from '../../cli/packing/pack.ts';
import { makeLogger } from '../../platform/logger.ts';
import { linearModel } from './models.ts';
import { makePackFolder, type PackFolder } from './pack-folder.ts';

export const head = 'model: m\nversion: 1.2.0\nrelease: 3\nfile: m.onnx\n';
export const sampleCsv = 'a,b,y\n1,2,8\n3,4,18\n,6,0\n7,8,38\n';
export const linear = linearModel({ weights: [2, 3] });
export const yaml = `${head}features: { x: [a, b] }\nsample: { file: s.csv }\ngolden: { rows: 2 }\n`;

export const pack = (
  folder: PackFolder,
  options: { out?: string; skipGoldenCheck?: boolean } = {},
): Promise<PackResult> =>
  packVersion({
    folder: folder.path,
    now: Date.UTC(2026, 0, 2),
    logger: makeLogger('test', 'silent'),
    ...options,
  });

export const linearFolder = (text = yaml) =>
  makePackFolder({ 'model.yaml': text, 'm.onnx': linear, 's.csv': sampleCsv });
