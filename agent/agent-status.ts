/** What an agent that runs says of itself, at its start and when it is asked. */
import type { ReportedState } from '../shared/protocol/reported-state.ts';

/** What an agent that has started says of itself. */
export interface AgentAddresses {
  readonly device: string;
  readonly group: string;
  readonly hub: string;
  /** The local API, such as `http://127.0.0.1:7470`. */
  readonly url: string;
}

export interface AgentStatus extends AgentAddresses {
  readonly running: true;
  readonly connected: boolean;
  /** Since when the hub holds what this device sent, because it cannot store it now. Not reported: that would be held too. */
  readonly hubBusySince?: string;
  readonly outbox: {
    readonly size: number;
    readonly dropped: { readonly events: number; readonly telemetry: number };
  };
  readonly reported: ReportedState;
}
