/**
 * Kills the hub (or makes one of its commits fail) at every point of several rollouts, in every state, and expects the same end
 * as without. Killed before a commit: nothing of the step happened. Killed after it: nothing was published to the devices.
 */

import { describe, expect, it } from 'vitest';
import type { RolloutStatus } from '../../../../shared/api/rollouts.ts';
import { model, operator, RolloutWorld } from '../../../support/rollout-world.ts';

interface Scenario {
  readonly name: string;
  readonly manner?: (n: number) => 'good' | 'rejects' | 'dead';
  /** Actions of the operator, each once the rollout has reached a state; then the state it ends in. */
  readonly actions: readonly {
    readonly when: RolloutStatus;
    readonly action: 'pause' | 'resume' | 'abort' | 'rollback';
  }[];
  readonly end: RolloutStatus;
}

const scenarios: readonly Scenario[] = [
  { name: 'completes', actions: [], end: 'completed' },
  {
    name: 'is paused and resumed',
    actions: [
      { when: 'running', action: 'pause' },
      { when: 'paused', action: 'resume' },
    ],
    end: 'completed',
  },
  {
    name: 'aborts on failures',
    manner: (n) => (n % 2 === 0 ? 'rejects' : 'good'),
    actions: [],
    end: 'aborted',
  },
  { name: 'is aborted', actions: [{ when: 'running', action: 'abort' }], end: 'aborted' },
  {
    name: 'is rolled back',
    actions: [{ when: 'completed', action: 'rollback' }],
    end: 'rolled-back',
  },
];

type Point = 'before commit' | 'after commit';
type Fault = 'killed' | 'error';
interface Interruption {
  readonly fault: Fault;
  readonly point: Point;
  /** 0-based among the points of its kind. */
  readonly number: number;
}

class Killed extends Error {}

/** Runs a scenario to its end; returns the final state, and the state of the rollout at every commit and publish. */
async function play(scenario: Scenario, interruption?: Interruption) {
  const world = await RolloutWorld.open({
    devices: 6,
    ...(scenario.manner ? { manner: scenario.manner } : {}),
  });
  const seen: Record<Point, string[]> = { 'before commit': [], 'after commit': [] };
  let status = 'scheduled';
  let isInterrupted = false;
  const arm = (point: Point) => () => {
    const number = seen[point].push(status) - 1;
    if (isInterrupted || interruption?.point !== point || interruption.number !== number) return;
    isInterrupted = true;
    throw new Killed('as the test wants');
  };
  /** Any step of the hub may kill it; it then starts again from its database and its broker is empty. */
  const alive = async (work: () => Promise<unknown>) => {
    const was = isInterrupted;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    if (isInterrupted && !was && interruption?.fault === 'killed') {
      world.rebuild();
      world.retained.clear();
      await world.director.republishAll();
    }
    const [rollout] = await world.store.list({ limit: 1 });
    status = rollout?.status ?? 'scheduled';
  };
  try {
    world.onCommit = arm('before commit');
    world.onPublish = arm('after commit');
    await alive(() => world.create({ phases: [{ percent: 50 }, { percent: 100 }] }));
    const { id } = (await world.store.list({ limit: 1 }))[0]!;
    const actions = [...scenario.actions];
    let restingRounds = 0;
    for (let step = 0; step < 60 && restingRounds < 4; step += 1) {
      const next = actions[0];
      const record = await world.store.find(id);
      const isOffered = (await world.service.show(id)).counts.pending !== world.devices.size;
      if (next && isOffered && record!.status === next.when) {
        await alive(() => world.service[next.action](id, { actor: operator }));
        // An action that was not answered is requested again, unless its effect shows.
        if ((await world.store.find(id))!.status !== next.when) actions.shift();
        continue;
      }
      if (actions.length === 0 && record!.status === scenario.end) restingRounds += 1;
      await alive(() => world.settle());
      world.clock.advance(1_000);
      await alive(() => world.runner.tick());
    }
    const detail = await world.service.show(id);
    expect(detail.status).toBe(scenario.end);
    const end = {
      status: detail.status,
      counts: detail.counts,
      active: [...world.devices.values()].map((device) => [device.id, device.active]),
      desired: await world.database
        .selectFrom('desired_model')
        .select(['device_id', 'version'])
        .where('model', '=', model)
        .orderBy('device_id')
        .execute(),
    };
    return { end, seen, isInterrupted };
  } finally {
    await world.close();
  }
}

describe.each(scenarios)('a rollout that $name', async (scenario) => {
  const plain = await play(scenario);
  const points = (['before commit', 'after commit'] as const).flatMap((point) => {
    const byStatus = new Map<string, number[]>();
    for (const [number, status] of plain.seen[point].entries()) {
      byStatus.set(status, [...(byStatus.get(status) ?? []), number]);
    }
    return [...byStatus].flatMap(([status, numbers]) =>
      (['killed', 'error'] as const)
        // An error after the commit is one of the broker, which the director handles itself (director.test.ts).
        .filter((fault) => fault === 'killed' || point === 'before commit')
        .map((fault) => ({ fault, status, point, numbers })),
    );
  });

  it.each(points)('$fault in $status, $point: ends the same', async ({ fault, point, numbers }) => {
    for (const number of numbers.filter((_, index) => index < 4 || index % 7 === 0)) {
      const { end, isInterrupted } = await play(scenario, { fault, point, number });
      expect(isInterrupted).toBe(true);
      expect(end, `${point} ${number}`).toEqual(plain.end);
    }
  });
});
