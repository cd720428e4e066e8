import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findForeignEntries } from '../../../../agent/health/foreign-entries.ts';
import { segmentName } from '../../../../agent/telemetry/prediction-segment.ts';
import { PredictionStore, type PredictionStoreProps } from '../../../../agent/telemetry/prediction-store.ts';
import { loggedLines } from '../../../support/logged.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { labelledVersion, storeProps } from '../../../support/prediction-stores.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const one = labelledVersion({ rollout: 'r-00000001' });
const classified = labelledVersion({
  version: '2.0.0',
  label: { output: 'y', kind: 'classification' },
  classes: ['cat', 'dog'],
});
const day = 86_400_000;

async function world(more: Partial<PredictionStoreProps> = {}) {
  const folder = join(await tempFolder(), 'predictions');
  const clock = new ManualClock();
  const open = () => PredictionStore.open({ ...storeProps(folder, clock), ...more });
  const size = async () => {
    const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
    return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
  };
  return { folder, clock, open, size, first: join(folder, segmentName(1)) };
}

/** An answer whose record takes a kilobyte. */
const large = (id: string) => ({ id, rows: ['x'.repeat(1_000)] });

describe('PredictionStore', () => {
  it('finds after a restart what was predicted, by which version, for which offer, and whether it has a label', async () => {
    const { open } = await world();
    const before = await open();
    before.keep(one, { id: 'a', rows: [1.5, Number.NaN] });
    before.keep(classified, { id: 'b', rows: ['cat', 'dog'], confidences: [900, undefined] });
    before.setLabelled((await before.find('m', 'a'))!);
    await before.close();

    const after = await open();
    expect(await after.find('m', 'a')).toMatchObject({
      rows: [1.5, Number.NaN],
      version: { ...one, manifest: { label: one.manifest.label, interface: {} } },
    });
    const found = (await after.find('m', 'b'))!;
    expect(found).toMatchObject({
      rows: ['cat', 'dog'],
      confidences: [900, undefined],
      version: { version: '2.0.0', manifest: { interface: { classes: ['cat', 'dog'] } } },
    });
    expect(after.isLabelled((await after.find('m', 'a'))!)).toBe(true);
    expect(after.isLabelled(found)).toBe(false);
    expect(await after.find('other', 'a')).toBeUndefined();
    expect(after.count).toBe(2);
    await after.close();
  });

  it('finds the last of several answers with one id, before and after a restart', async () => {
    const { open } = await world();
    const before = await open();
    for (const row of [1, 2, 3]) before.keep(one, { id: 'same', rows: [row] });
    expect((await before.find('m', 'same'))!.rows).toEqual([3]);
    before.setLabelled((await before.find('m', 'same'))!);
    before.keep(one, { id: 'same', rows: [4] });
    await before.close();
    const after = await open();
    const found = (await after.find('m', 'same'))!;
    expect(found.rows).toEqual([4]);
    expect(after.isLabelled(found)).toBe(false);
    await after.close();
  });

  it('writes behind, within a second', async () => {
    const { open, clock, first } = await world();
    const store = await open();
    store.keep(one, { id: 'a', rows: [1] });
    expect(clock.sleepers).toBe(1);
    clock.advance(1_000);
    await expect.poll(() => readFile(first, 'latin1').catch(() => '')).toContain('mfpred1');
    await store.close();
  });

  it('stays below its size, the oldest answers going first, and finds those that are left', async () => {
    const bytesMax = 1024 * 1024;
    const { open, size } = await world({ bytesMax });
    const store = await open();
    for (let i = 0; i < 3_000; i += 1) {
      store.keep(one, large(`id-${i}`));
      if (i % 50 === 0) await store.flush();
    }
    await store.flush();
    expect(await size()).toBeLessThanOrEqual(bytesMax);
    expect(await size()).toBeGreaterThan(bytesMax / 2);
    expect(store.count).toBeGreaterThan(500);
    expect(await store.find('m', 'id-0')).toBeUndefined();
    const oldest = 3_000 - store.count;
    expect(await store.find('m', `id-${oldest - 1}`)).toBeUndefined();
    store.setLabelled((await store.find('m', `id-${oldest}`))!);
    await store.close();

    const after = await open();
    expect(after.isLabelled((await after.find('m', `id-${oldest}`))!)).toBe(true);
    expect(await after.find('m', 'id-2999')).toBeDefined();
    expect(after.lost).toBe(0);
    await after.close();
  });

  it('finds no answer that is too old, and deletes it, also when answers are few', async () => {
    const { open, clock, folder } = await world({ ageMaxMs: 8 * day });
    const store = await open();
    for (let i = 0; i < 20; i += 1) {
      store.keep(one, { id: `day-${i}`, rows: [i] });
      await store.flush();
      clock.advance(day);
    }
    expect(await store.find('m', 'day-11')).toBeUndefined();
    expect(await store.find('m', 'day-12')).toBeDefined();
    await store.flush();
    expect(store.count).toBeLessThan(12);
    expect((await readdir(folder)).length).toBeLessThan(12);
    expect(store.since).toBe(clock.now() - 8 * day);
    await store.close();
  });

  it('keeps the latest in memory alone with a size of 0, and makes no files', async () => {
    const { open, folder } = await world({ bytesMax: 0 });
    const store = await open();
    store.keep(one, { id: 'a', rows: [1] });
    expect(await store.find('m', 'a')).toBeDefined();
    await store.close();
    await expect(readdir(folder)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('deletes what was stored when it is opened with a size of 0', async () => {
    const { open, folder, clock } = await world();
    const store = await open();
    store.keep(one, { id: 'a', rows: [1] });
    await store.close();
    expect(await readdir(folder)).toHaveLength(1);
    const after = await PredictionStore.open({ ...storeProps(folder, clock), bytesMax: 0 });
    expect(await after.find('m', 'a')).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });

  it('leaves no file of answers that it gave up while they were written', async () => {
    const { folder, open } = await world({ bytesMax: 2 ** 20 });
    const store = await open();
    const fill = (segments: number) => {
      for (let i = 0; i < 130 * segments; i += 1) store.keep(one, large(`${i}`));
    };
    fill(1);
    const written = store.flush();
    // No disk answers within a few microtasks.
    for (let i = 0; i < 20; i += 1) await Promise.resolve();
    fill(3);
    await written;
    await store.close();
    expect(store.lost).toBeGreaterThan(0);
    const stored = store.count;
    expect(await readdir(folder)).not.toContain(segmentName(1));
    const again = await open();
    await again.find('m', 'none');
    expect(again.count).toBe(stored);
    await again.close();
  });

  it('keeps no answer that would take too much of a segment, and those of other versions all the same', async () => {
    const { open } = await world({ bytesMax: 1024 * 1024 });
    const store = await open();
    store.keep(one, { id: 'long', rows: ['x'.repeat(40_000)] });
    const classes = Array.from({ length: 5_000 }, (_, i) => `a class with a long name ${i}`);
    store.keep(labelledVersion({ version: '3.0.0', classes }), { id: 'many', rows: [1] });
    store.keep(one, { id: 'short', rows: [1] });
    expect(await store.find('m', 'long')).toBeUndefined();
    expect(await store.find('m', 'many')).toBeUndefined();
    expect(await store.find('m', 'short')).toBeDefined();
    await store.close();
  });

  it('reads few answers for an id, whatever other ids hash to', async () => {
    const { open } = await world();
    const store = await open();
    // Two that are alike by CRC-32 with the model before them.
    store.keep(one, { id: 'plumless', rows: [1] });
    store.keep(one, { id: 'buckeroo', rows: [2] });
    expect((await store.find('m', 'plumless'))!.rows).toEqual([1]);
    expect((await store.find('m', 'buckeroo'))!.rows).toEqual([2]);
    await store.close();
  });

  it('is what it would be in memory, whatever is kept, labelled, flushed, crashed and opened again in which order', async () => {
    const id = fc.integer({ min: 0, max: 12 }).map((n) => `id-${n}`);
    const step = fc.oneof(
      fc.record({ do: fc.constant('keep' as const), id, row: fc.integer() }),
      fc.record({ do: fc.constant('label' as const), id }),
      fc.record({ do: fc.constantFrom('flush' as const, 'open' as const), id }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { open } = await world();
        let store = await open();
        const model = new Map<string, { row: number; isLabelled: boolean }>();
        for (const one_ of steps) {
          const known = model.get(one_.id);
          if (one_.do === 'keep') {
            store.keep(one, { id: one_.id, rows: [one_.row] });
            model.set(one_.id, { row: one_.row, isLabelled: false });
          } else if (one_.do === 'label') {
            const found = await store.find('m', one_.id);
            expect(found?.rows).toEqual(known && [known.row]);
            if (!found || !known) continue;
            expect(store.isLabelled(found)).toBe(known.isLabelled);
            store.setLabelled(found);
            known.isLabelled = true;
          } else {
            await store.flush();
            // As after a crash: what was flushed is all there is.
            if (one_.do === 'open') store = await open();
          }
        }
        await store.close();
      }),
      { numRuns: 40 },
    );
  });
});

describe('PredictionStore on a disk that somebody had hands on', () => {
  async function filled() {
    const made = await world({ bytesMax: 1024 * 1024 });
    const store = await made.open();
    for (let i = 0; i < 400; i += 1) {
      store.keep(one, large(`id-${i}`));
      if (i % 50 === 0) await store.flush();
    }
    await store.close();
    return made;
  }

  it.each<[string, (file: string) => Promise<void>]>([
    ['cut off in a record', (file) => truncate(file, 2_500)],
    [
      'cut off in the head of a record',
      (file) => stat(file).then(({ size }) => truncate(file, size - 1_025)),
    ],
    ['followed by garbage', (file) => appendFile(file, Buffer.alloc(5_000, 7))],
    ['followed by zeros', (file) => appendFile(file, Buffer.alloc(5_000))],
    ['followed by a length that no memory holds', (file) => appendFile(file, Buffer.alloc(12, 0xff))],
  ])('goes on after the last whole record of a file that is %s', async (_, damage) => {
    const { open, folder } = await world();
    const before = await open();
    for (let i = 0; i < 10; i += 1) before.keep(one, large(`id-${i}`));
    await before.close();
    const file = join(folder, segmentName(1));
    await damage(file);

    const store = await open();
    expect(await store.find('m', 'id-0')).toBeDefined();
    store.keep(one, large('new'));
    store.setLabelled((await store.find('m', 'new'))!);
    await store.close();
    expect(await readdir(folder)).toEqual([segmentName(1)]);
    const again = await open();
    expect(await again.find('m', 'id-0')).toBeDefined();
    const found = (await again.find('m', 'new'))!;
    expect(again.isLabelled(found)).toBe(true);
    await again.close();
  });

  it('gives the answers before a damaged byte of an older file, and those of the other files', async () => {
    const { open, first } = await filled();
    const bytes = await readFile(first);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(first, bytes);
    const store = await open();
    expect(await store.find('m', 'id-0')).toBeDefined();
    expect(await store.find('m', 'id-100')).toBeUndefined();
    expect(await store.find('m', 'id-399')).toBeDefined();
    await store.close();
  });

  it('finds nothing where the bytes changed after the start, and says no wrong prediction', async () => {
    const { open, first } = await filled();
    const store = await open();
    expect(await store.find('m', 'id-5')).toBeDefined();
    const bytes = await readFile(first);
    for (let i = 100; i < bytes.length; i += 100) bytes[i]! ^= 1;
    await writeFile(first, bytes);
    expect(await store.find('m', 'id-5')).toBeUndefined();
    await writeFile(first, '');
    expect(await store.find('m', 'id-5')).toBeUndefined();
    await store.close();
  });

  it.each<[string, (file: string) => Promise<unknown>]>([
    ['another format', (file) => writeFile(file, 'notes of somebody, kept here')],
    ['more than a segment', (file) => writeFile(file, Buffer.alloc(2 * 1024 * 1024 + 1))],
    ['a pipe', async (file) => execFileSync('mkfifo', [file])],
    ['a link', (file) => symlink('/etc/hostname', file)],
    ['a folder', (file) => mkdir(file)],
  ])('sets aside %s in the place of a file, goes on, and names it', async (_, make) => {
    const { folder, open } = await world();
    await mkdir(folder, { recursive: true });
    await make(join(folder, segmentName(1)));
    const store = await open();
    store.keep(one, { id: 'a', rows: [1] });
    await store.close();
    expect(store.fault).toBeUndefined();
    const foreign = await findForeignEntries(join(folder, '..'));
    expect(foreign).toEqual([expect.stringMatching(/^predictions\/00000001\.predictions\.set-aside-/)]);
    const again = await open();
    expect(await again.find('m', 'a')).toBeDefined();
    await again.close();
  });

  it('sets aside a dangling link in the place of its folder', async () => {
    const { folder, open } = await world();
    await symlink('nowhere/at/all', folder);
    const store = await open();
    store.keep(one, { id: 'a', rows: [1] });
    await store.flush();
    expect(store.fault).toBeUndefined();
    await store.close();
    const again = await open();
    expect(await again.find('m', 'a')).toBeDefined();
    await again.close();
  });

  it('ignores names that are not its own, and an empty file that a crash left', async () => {
    const { logger, lines } = loggedLines();
    const { folder, open } = await world({ logger });
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, '99999999.predictions'), 'far away');
    await writeFile(join(folder, segmentName(7)), '');
    const store = await open();
    store.keep(one, { id: 'a', rows: [1] });
    await store.close();
    expect((await readdir(folder)).sort()).toEqual(['00000008.predictions', '99999999.predictions']);
    expect(lines).toEqual([]);
  });

  it('writes all again when the file or its folder is deleted while it runs', async () => {
    const { folder, open } = await world();
    const store = await open();
    store.keep(one, { id: 'a', rows: [1] });
    await store.flush();
    execFileSync('rm', ['-r', folder]);
    store.keep(one, { id: 'b', rows: [2] });
    await store.close();
    const again = await open();
    expect(await again.find('m', 'a')).toBeDefined();
    expect(await again.find('m', 'b')).toBeDefined();
    await again.close();
  });
});
