/** A process that runs an update device and kills itself with SIGKILL where the test says. Prints its end as JSON. */
import { rmSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import type { DesiredModel } from '../../shared/protocol/desired-state.ts';
import type { UpdateFault, UpdateState } from '../../shared/protocol/update-event.ts';
import { openUpdateDevice } from './update-device.ts';

export interface ChildOrder {
  readonly folder: string;
  readonly blobs: string;
  readonly sequence: number;
  readonly desired: readonly DesiredModel[];
  /** Die right after this state was stored. */
  readonly killAt?: UpdateState;
  /** Die when this many chunks have been asked for. */
  readonly killAfterChunks?: number;
  /** End in order when this many chunks have been asked for. */
  readonly endAfterChunks?: number;
  /** Names the boot of the machine. */
  readonly boot?: string;
  /** The state to end in, of the update to `version` (default 2.0.0). */
  readonly until: UpdateState;
  readonly version?: string;
  readonly crashesInTrial?: number;
  readonly qualifyFault?: UpdateFault;
  /** Die in the middle of the golden samples. */
  readonly killInQualify?: boolean;
  /** Die when this many golden samples were right. */
  readonly killAfterSamples?: number;
  readonly liftHold?: boolean;
}

export interface ChildEnd {
  readonly active: string | undefined;
  readonly serving: string | undefined;
  readonly servingAtStart: string | undefined;
  readonly state: UpdateState | undefined;
}

const order = JSON.parse(process.argv[2]!) as ChildOrder;
const die = (): never => {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
};

let asked = 0;
let isEnding = false;
const device = await openUpdateDevice({
  folder: order.folder,
  blobs: order.blobs,
  ...(order.boot && { boot: order.boot }),
  onTransition: (_model, state) => {
    if (state === order.killAt) die();
    if (state === 'trial') setImmediate(crash);
  },
  answer: (request) => {
    asked += request.chunks.length;
    if (order.killAfterChunks !== undefined && asked > order.killAfterChunks) die();
    isEnding = order.endAfterChunks !== undefined && asked > order.endAfterChunks;
    return isEnding;
  },
});
const servingAtStart = device.served.active?.version;
if (order.qualifyFault) device.served.qualifyFault = order.qualifyFault;
if (order.killInQualify) device.served.qualify = die;
if (order.killAfterSamples !== undefined) device.served.whenSampled = dieAfter;
if (order.liftHold) rmSync(device.holdFile, { force: true });
crash();
device.setDesired(order.sequence, order.desired);

const version = order.version ?? '2.0.0';
const state = () => {
  const update = device.updates.report(Date.now())[0]?.update;
  return update?.version === version ? update.state : undefined;
};
const deadline = Date.now() + 25_000;
// The slots follow the journal: a commit has ended when nothing is on trial any more.
const isThere = () =>
  state() === order.until && (order.until !== 'committed' || device.slots.of('demo').trial === undefined);
while (!isThere() && !isEnding && Date.now() < deadline) await wait(10);
await wait(50);
const end: ChildEnd = {
  active: device.slots.of('demo').active?.version,
  serving: device.served.active?.version,
  servingAtStart,
  state: state(),
};
await device.close();
process.stdout.write(JSON.stringify(end));

function dieAfter(samples: number): void {
  if (samples > order.killAfterSamples!) die();
}

function crash(): void {
  const crashes = order.crashesInTrial ?? 0;
  if (crashes > 0) device.served.figuresNow = { requests: 0, failed: 0, refused: 0, crashes };
}
