/** A folder that `models pack` can read, made in a test. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempFolder } from './temp-folder.ts';

export interface PackFolder {
  readonly path: string;
  write(name: string, content: Uint8Array | string): Promise<void>;
}

/** Makes a temporary folder with the given files, removed after the test. */
export async function makePackFolder(
  files: Readonly<Record<string, Uint8Array | string>>,
): Promise<PackFolder> {
  const path = await tempFolder();
  const folder: PackFolder = {
    path,
    write: (name, content) => writeFile(join(path, name), content),
  };
  for (const [name, content] of Object.entries(files)) await folder.write(name, content);
  return folder;
}

/** An NPY 1.0 file of little-endian float32. */
export function npyFile(shape: readonly number[], values: ArrayLike<number>): Uint8Array {
  return npyBytes('<f4', shape, Float32Array.from(values));
}

/** An NPY 1.0 file of elements that numpy calls `descr`. */
export function npyBytes(descr: string, shape: readonly number[], values: ArrayBufferView): Uint8Array {
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const header = `${dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11)}\n`;
  const start = Buffer.alloc(10 + header.length);
  start.write('\x93NUMPY\x01\x00', 0, 'latin1');
  start.writeUInt16LE(header.length, 8);
  start.write(header, 10, 'latin1');
  return Buffer.concat([start, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)]);
}
