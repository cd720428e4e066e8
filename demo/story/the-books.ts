/** What is left of the year: an audit log that holds every action, and whose chain holds. */
import type { Stage } from './stage.ts';

export async function theBooks({ fleet, narrator }: Stage): Promise<void> {
  narrator.chapter('The books');
  const verified = (await fleet.tellCli('audit', 'verify')) as object;
  narrator.show(JSON.stringify(verified));
  const { body } = await fleet.rest('GET', '/audit?limit=1000');
  const actions = new Set((body as { events: { action: string }[] }).events.map(({ action }) => action));
  const wanted = [
    'trust.initialised',
    'device.enrolled',
    'version.published',
    'rollout.created',
    'rollout.judged',
  ];
  narrator.check(
    `Every action is in it: ${[...actions].sort().join(', ')}`,
    wanted.every((action) => actions.has(action)),
    [...actions],
  );
}
