import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const bareReads = /\b(readFile|readFileSync|createReadStream)\s*\(|\bopen(Sync)?\([^)]*,\s*'[ra]\+?'/;

// A pipe in the place of a file would be waited for, and a file without end read to its end.
it('agent, hub and command line read files through platform/ alone', () => {
  const files = globSync('{agent,cli,hub}/**/*.ts', { cwd: root });
  expect(files.length).toBeGreaterThan(100);
  const bare = files.filter((file) =>
    readFileSync(join(root, file), 'utf8')
      .replaceAll('file.createReadStream(', '')
      .split('\n')
      .some((line) => bareReads.test(line)),
  );
  expect(bare).toEqual([]);
});
