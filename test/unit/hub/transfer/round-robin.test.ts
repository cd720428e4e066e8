import { expect, it } from 'vitest';
import { RoundRobin } from '../../../../hub/transfer/round-robin.ts';
import { seededRandom } from '../../../../shared/base/seeded-random.ts';

it('is a queue in which each member is once, and which any of them may leave', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = seededRandom(seed);
    const ring = new RoundRobin<number>();
    const queue: number[] = [];
    for (let step = 0; step < 500; step += 1) {
      const member = Math.floor(random() * 12);
      const at = queue.indexOf(member);
      if (random() < 0.6) {
        ring.add(member);
        if (at < 0) queue.push(member);
      } else {
        ring.delete(member);
        if (at >= 0) queue.splice(at, 1);
      }
      expect([ring.size, ring.first()], `seed ${seed}, step ${step}`).toEqual([queue.length, queue[0]]);
    }
  }
});
