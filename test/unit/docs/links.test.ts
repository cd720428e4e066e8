import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../../..');
const FENCED = /^```[\s\S]*?^```/gm;
const INLINE_CODE = /`[^`\n]*`/g;
const LINK = /\]\(([^)\s]+)\)/g;
const ABSOLUTE = /^[a-z]+:/;

/** The anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');
}

/** The anchors of a page; a heading that occurs again gets `-1`, `-2` and so on. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  const seen = new Map<string, number>();
  for (const [, heading = ''] of text.replace(FENCED, '').matchAll(/^#+ (.*)$/gm)) {
    const anchor = anchorOf(heading.trim());
    const count = seen.get(anchor) ?? 0;
    anchors.add(count === 0 ? anchor : `${anchor}-${count}`);
    seen.set(anchor, count + 1);
  }
  return anchors;
}

/** The relative links of a page whose file or heading does not exist, and how many relative links it has. */
function checkLinks(page: string, text: string): { broken: string[]; count: number } {
  const broken: string[] = [];
  let count = 0;
  for (const [, link = ''] of text.replace(FENCED, '').replace(INLINE_CODE, '').matchAll(LINK)) {
    if (ABSOLUTE.test(link)) continue;
    count += 1;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? join(ROOT, page) : join(ROOT, dirname(page), path);
    if (!existsSync(target)) broken.push(`${page}: ${link} (no such file)`);
    else if (
      anchor !== undefined &&
      target.endsWith('.md') &&
      !anchorsOf(readFileSync(target, 'utf8')).has(anchor)
    )
      broken.push(`${page}: ${link} (no such heading)`);
  }
  return { broken, count };
}

test('every relative link in the documentation leads to a file and a heading that exist', () => {
  const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' }).trim().split('\n');
  const checked = pages
    .filter((page) => existsSync(join(ROOT, page)))
    .map((page) => checkLinks(page, readFileSync(join(ROOT, page), 'utf8')));
  expect(checked.flatMap(({ broken }) => broken)).toEqual([]);
  expect(checked.reduce((sum, { count }) => sum + count, 0)).toBeGreaterThan(20);
});

test('a link to a missing file or heading is reported', () => {
  const text =
    '# Here\n[a](missing.md) [b](#here) [c](#nowhere) [d](README.md) [e](https://example.com/x)\n```\n[f](in-code.md)\n```\n';
  expect(checkLinks('README.md', text).broken.map((line) => line.split(' ')[1])).toEqual([
    'missing.md',
    '#here',
    '#nowhere',
  ]);
});
