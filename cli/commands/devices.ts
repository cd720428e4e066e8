/** `modelfleet devices`: join tokens, and the devices they made. */

import { Command, Option } from 'commander';
import {
  type DeviceChange,
  DeviceRelease,
  type DeviceReleaseRequest,
  GroupPage,
} from '../../shared/api/devices.ts';
import {
  CreatedJoinToken,
  JoinTokenPage,
  type JoinTokenRequest,
  joinTokenStatuses,
} from '../../shared/api/join-tokens.ts';
import { limits } from '../../shared/base/limits.ts';
import { answerParser } from '../answer-parser.ts';
import { addYesFlag, confirm } from '../confirm.ts';
import type { CliContext } from '../context.ts';
import { countText } from '../count-text.ts';
import { duration, wholeNumber } from '../flag-values.ts';
import { addPageFlags, type PageFlags, showList } from '../paged-list.ts';
import { timeText } from '../time-text.ts';
import { deviceTable, deviceText, parseDevice, parseDevicePage } from './device-answers.ts';

const parseJoinToken = answerParser(CreatedJoinToken);
const parseJoinTokens = answerParser(JoinTokenPage);
const parseGroups = answerParser(GroupPage);
const parseRelease = answerParser(DeviceRelease);

interface GroupFlags extends PageFlags {
  readonly group?: string;
}

interface DeviceFlags extends GroupFlags {
  readonly model?: string;
  readonly version?: string;
  readonly connected?: boolean;
  readonly disconnected?: boolean;
}

export function devicesCommand(context: CliContext): Command {
  const devices = new Command('devices').description('manage devices and the join tokens that enrol them');
  devices.addCommand(tokenCommand(context));
  const listing = devices
    .command('list')
    .description('list devices')
    .option('--group <GROUP>', 'only devices of this group')
    .option('--model <MODEL>', 'only devices that are to run this model')
    .option('--version <VERSION>', 'only devices that are to run this version of --model')
    .option('--connected', 'only devices that are connected')
    .addOption(new Option('--disconnected', 'only devices that are not connected').conflicts('connected'));
  addPageFlags(listing, ['id', 'enrolledAt']);
  listing.action(({ group, model, version, connected, disconnected, ...flags }: DeviceFlags) => {
    const query = {
      group,
      model,
      version,
      connected: connected || disconnected ? String(connected === true) : undefined,
    };
    const parse = (answer: unknown) => {
      const { devices: rows, next } = parseDevicePage(answer);
      return { rows, next };
    };
    return showList(context, { path: '/devices', query, flags, parse }, (printer, rows) =>
      deviceTable(printer, rows, Date.now()),
    );
  });
  const groups = devices.command('groups').description('list groups and how many devices each has');
  addPageFlags(groups, ['group']).action((flags: PageFlags) => {
    const parse = (answer: unknown) => {
      const { groups: rows, next } = parseGroups(answer);
      return { rows, next };
    };
    return showList(context, { path: '/groups', flags, parse }, (printer, rows) =>
      printer.table(rows, [
        { title: 'group', value: (row) => row.group },
        { title: 'devices', value: (row) => row.devices, align: 'right' },
      ]),
    );
  });
  devices
    .command('show')
    .description('show one device: facts, models, conditions, latest events')
    .argument('<id>', 'id of the device')
    .action(async (id: string) => {
      const answer = await (await context.hub()).get(devicePath(id));
      const printer = context.printer();
      printer.result(answer, () => deviceText(printer, parseDevice(answer), Date.now()), id);
    });
  devices
    .command('move')
    .description('move a device to another group')
    .argument('<id>', 'id of the device')
    .requiredOption('--group <GROUP>', 'group to move it to')
    .action(async (id: string, { group }: { group: string }) => {
      const answer = await (await context.hub()).patch(devicePath(id), { group } satisfies DeviceChange);
      context.printer().result(answer, () => `Device "${id}" is in group "${group}" now.`, id);
    });
  devices
    .command('release')
    .description(
      'end the quarantine of versions that failed on a device or that it refused; it may install them at once',
    )
    .argument('<id>', 'id of the device')
    .requiredOption('--model <MODEL>', 'model whose versions are released')
    .action(async (id: string, { model }: { model: string }) => {
      const answer = parseRelease(
        await (await context.hub()).post(`${devicePath(id)}/release`, {
          model,
        } satisfies DeviceReleaseRequest),
      );
      context.printer().result(answer, () => releaseText(answer), id);
    });
  addYesFlag(devices.command('remove'))
    .description(
      'delete a device from the hub: its connection ends and its certificate is refused from then on',
    )
    .argument('<id>', 'id of the device')
    .action(async (id: string, { yes }: { yes?: boolean }) => {
      const hub = await context.hub();
      await confirm({
        yes,
        action: `remove device "${id}"`,
        preview: async () => {
          const device = parseDevice(await hub.get(devicePath(id)));
          const models = device.models.map(({ model, active }) => `${model} ${active?.version ?? '-'}`);
          return [
            `Device "${id}" in group "${device.group}" (${device.connected ? 'online' : 'offline'}), models: ${models.join(', ') || 'none'}.`,
            'The hub refuses it from then on; to come back it needs a new join token and "enrol --force".',
          ];
        },
      });
      await hub.delete(devicePath(id));
      context.printer().result({ removed: id }, () => `Device "${id}" is removed.`, id);
    });
  return devices;
}

function releaseText({ device, model, sequence, quarantined }: DeviceRelease): string {
  const what =
    quarantined.length > 0 ? `${model} ${quarantined.join(', ')}` : `what it has refused of ${model}`;
  return `Device "${device}" may try ${what} again; it has received the release when it reports desired state ${sequence}.`;
}

function tokenCommand(context: CliContext): Command {
  const token = new Command('token').description('create, list and revoke join tokens');
  token
    .command('create')
    .description('create a join token and print it; it is not shown again')
    .option('--group <GROUP>', 'group of the devices that enrol with it', 'default')
    .option('--uses <N>', 'number of devices that may enrol with it', '1')
    .option('--ttl <DURATION>', 'time until it expires, such as 30m or 1d', '1h')
    .action(async (flags: { group: string; uses: string; ttl: string }) => {
      const ttlMs = duration(flags.ttl, '--ttl');
      const uses = wholeNumber(flags.uses, '--uses', { min: 1, max: limits.joinTokenUsesMax });
      const hub = await context.hub();
      const made = parseJoinToken(
        await hub.post('/join-tokens', { group: flags.group, uses, ttlMs } satisfies JoinTokenRequest),
      );
      const printer = context.printer();
      printer.result(made, () => made.token, made.id);
      printer.note(
        `Good for ${countText(made.usesTotal, 'device')} until ${timeText(made.expiresAt)}; it is not shown again. On the device:`,
      );
      printer.note('  echo <token> | modelfleet-agent enrol --token-file - --id <device-id>');
    });
  const listing = token
    .command('list')
    .description('list join tokens, newest first, without their secrets')
    .option('--group <GROUP>', 'only join tokens for this group')
    .addOption(new Option('--status <STATUS>', 'only join tokens in this state').choices(joinTokenStatuses));
  addPageFlags(listing, ['-createdAt', 'expiresAt']);
  listing.action(({ group, status, ...flags }: GroupFlags & { readonly status?: string }) => {
    const parse = (answer: unknown) => {
      const { joinTokens: rows, next } = parseJoinTokens(answer);
      return { rows, next };
    };
    const request = { path: '/join-tokens', query: { group, status }, flags, parse };
    return showList(context, request, (printer, rows) =>
      printer.table(rows, [
        { title: 'id', value: (row) => row.id },
        { title: 'group', value: (row) => row.group },
        { title: 'state', value: (row) => row.status },
        { title: 'left', value: (row) => `${row.usesLeft}/${row.usesTotal}`, align: 'right' },
        { title: 'expires', value: (row) => timeText(row.expiresAt) },
        { title: 'made by', value: (row) => row.createdBy },
      ]),
    );
  });
  addYesFlag(token.command('revoke'))
    .description('revoke a join token at once; devices that enrolled with it stay')
    .argument('<id>', 'id of the join token')
    .action(async (id: string, { yes }: { yes?: boolean }) => {
      const hub = await context.hub();
      await confirm({
        yes,
        action: `revoke join token "${id}"`,
        preview: async () => ['It enrols no device from then on. Devices that it enrolled stay.'],
      });
      await hub.delete(`/join-tokens/${encodeURIComponent(id)}`);
      context.printer().result({ revoked: id }, () => `Join token "${id}" is revoked.`, id);
    });
  return token;
}

function devicePath(id: string): string {
  return `/devices/${encodeURIComponent(id)}`;
}
