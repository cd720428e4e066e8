import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '*.ts'], { encoding: 'utf8' })
  .trim()
  .split('\n')
  .map((path) => ({ path, text: read(path) }));

/** Schemas of the API are for others too; the rest of the project is its own only user. */
const isChecked = ({ path }: { readonly path: string }) => !/^(test|shared\/api)\//.test(path);

it('what a file exports, another file uses', () => {
  const users = new Map<string, Set<string>>();
  for (const { path, text } of files) {
    for (const [word] of text.matchAll(/[\w$]+/g)) {
      const paths = users.get(word) ?? new Set();
      users.set(word, paths.add(path));
    }
  }
  const unused = files.filter(isChecked).flatMap(({ path, text }) =>
    [...text.matchAll(/^export (?:async |abstract )?(?:function\*?|const|class) ([\w$]+)/gm)]
      .map(([, name]) => name!)
      .filter((name) => users.get(name)?.size === 1)
      .map((name) => `${path}: ${name}`),
  );
  expect(unused).toEqual([]);
});

/** Empty for a file that git knows and somebody has just deleted. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
