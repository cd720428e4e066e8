/**
 * The runner: a child process that hosts one model for its parent. What goes wrong in ONNX Runtime (an abort, a leak, a
 * run that hangs) ends here and not in the agent. It opens no socket and reads one file; it ends with its parent.
 */
import { errorText, isAppError } from '../shared/base/app-error.ts';
import type { UpdateFault } from '../shared/protocol/update-event.ts';
import type { RunnerReply, RunnerRequest } from './runner-protocol.ts';
import { SessionHost } from './session-host.ts';

let host: SessionHost | undefined;
let lastAnswer: Promise<void> = Promise.resolve();

process.on('message', (message: unknown) => {
  lastAnswer = lastAnswer.then(async () => send(await answer(message)));
});
process.on('disconnect', () => process.exit(0));
// A terminal or a service manager signals the whole group; the parent decides when its runners end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

async function answer(message: unknown): Promise<RunnerReply> {
  const request = message as RunnerRequest;
  const id = Number(request?.id);
  try {
    switch (request?.kind) {
      case 'load':
        host = await SessionHost.load(request);
        return { kind: 'loaded', id, ...host.loaded };
      case 'infer':
        if (!host) throw new Error('no model is loaded');
        return { kind: 'inferred', id, ...(await host.infer(request)) };
      case 'memory':
        return { kind: 'memory', id, residentBytes: process.memoryUsage.rss() };
      default:
        throw new Error('the request is of no known kind');
    }
  } catch (error) {
    return { kind: 'failed', id, fault: faultOf(error) };
  }
}

function faultOf(error: unknown): UpdateFault {
  if (isAppError(error)) {
    return { code: error.code, message: error.message.slice(0, 2_000), retry: error.entry.retry };
  }
  const message = `Cannot answer a runner request: ${errorText(error)}`.slice(0, 2_000);
  return { code: 'inference_failed', message, retry: 'never' };
}

function send(reply: RunnerReply): void {
  // The channel may close in between; 'disconnect' then ends the process.
  if (process.connected) process.send?.(reply, undefined, undefined, () => undefined);
}
