/** What every implementation of Leases must do. */
import { describe, expect, it } from 'vitest';
import type { Leases } from '../../hub/rollout/leases.ts';

export function leasesContract(name: string, make: () => Leases): void {
  describe(`${name} keeps the contract of leases`, () => {
    it('lets work for one name run one after the other, in the order it came', async () => {
      const leases = make();
      const seen: string[] = [];
      const work = (tag: string) => async () => {
        seen.push(`${tag} begins`);
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(`${tag} ends`);
      };
      await Promise.all(['a', 'b', 'c'].map((tag) => leases.hold('r-1', work(tag))));
      expect(seen).toEqual(['a', 'b', 'c'].flatMap((tag) => [`${tag} begins`, `${tag} ends`]));
    });

    it('does not let one name wait for another', async () => {
      const leases = make();
      let release = (): void => undefined;
      const held = leases.hold('r-1', () => new Promise<void>((resolve) => (release = resolve)));
      expect(await leases.hold('r-2', async () => 'done')).toBe('done');
      release();
      await held;
    });

    it('passes on results and errors, and goes on after an error', async () => {
      const leases = make();
      await expect(leases.hold('r-1', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
      expect(await leases.hold('r-1', async () => 7)).toBe(7);
    });

    it('is idle when all work has ended', async () => {
      const leases = make();
      let ended = false;
      const work = leases.hold('r-1', async () => {
        await new Promise((resolve) => setImmediate(resolve));
        ended = true;
      });
      await leases.idle();
      expect(ended).toBe(true);
      await work;
    });
  });
}
