/**
 * The runner: a child process that hosts one model for its parent. What goes wrong in ONNX Runtime (an abort, a leak, a
 * run that hangs) ends here and not in the agent. It opens no socket, reads one file and writes none; it ends with its
 * parent.
 */

import { AppError, errorText, isAppError } from '../shared/base/app-error.ts';
import type { UpdateFault } from '../shared/protocol/update-event.ts';
import { faultOf } from '../shared/protocol/update-fault.ts';
import { asMemoryError } from './memory-error.ts';
import { goFirstWhenMemoryRunsOut, ownMemory } from './own-memory.ts';
import type { RunnerReply, RunnerRequest } from './runner-protocol.ts';
import { SessionHost } from './session-host.ts';

goFirstWhenMemoryRunsOut();

let host: SessionHost | undefined;
let lastAnswer: Promise<void> = Promise.resolve();

process.on('message', (message: unknown) => {
  lastAnswer = lastAnswer.then(async () => {
    const reply = sendAnswer(await answer(message));
    if (reply.kind === 'failed' && reply.fault.code === 'runner_out_of_memory') await renewHost();
  });
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
        return { kind: 'memory', id, ...ownMemory() };
      default:
        throw new Error('the request is of no known kind');
    }
  } catch (error) {
    return { kind: 'failed', id, fault: runnerFault(error) };
  }
}

/**
 * After an allocation that failed, the runtime's arena takes whatever is left below the limit for the next request, and
 * leaves nothing to anybody else. So the model is loaded anew; where even that fails, the parent starts another process.
 */
async function renewHost(): Promise<void> {
  try {
    host = await host?.renew();
  } catch {
    process.exit(1);
  }
}

/** What ONNX Runtime throws has no code of ours. */
function runnerFault(error: unknown): UpdateFault {
  if (isAppError(error)) return faultOf(error);
  const message = `Cannot answer a runner request: ${errorText(error)}`;
  return faultOf(new AppError('inference_failed', message, { cause: error }));
}

function send(reply: RunnerReply): void {
  // The channel may close in between; 'disconnect' then ends the process.
  if (process.connected) process.send?.(reply, undefined, undefined, () => undefined);
}

/** Sends the answer, or that there was no memory left to put it into a message. */
function sendAnswer(reply: RunnerReply): RunnerReply {
  try {
    send(reply);
    return reply;
  } catch (error) {
    const { id } = reply;
    const memoryError = asMemoryError(error, 'send the answer', host?.memoryBytesMax ?? 0);
    const failed: RunnerReply = { kind: 'failed', id, fault: runnerFault(memoryError ?? error) };
    send(failed);
    return failed;
  }
}
