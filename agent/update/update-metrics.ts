/** What this device is brought to run, and how that goes, for `/metrics`. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { ReportedModel } from '../../shared/protocol/reported-state.ts';
import type { UpdateEvent } from '../../shared/protocol/update-event.ts';

export class UpdateMetrics {
  readonly #transitions: Counter<'model' | 'state'>;

  constructor(registry: Registry) {
    this.#transitions = new Counter({
      name: 'modelfleet_update_transitions_total',
      help: 'States that updates of a model entered',
      labelNames: ['model', 'state'],
      registers: [registry],
    });
  }

  entered({ model, state }: UpdateEvent): void {
    this.#transitions.inc({ model, state });
  }

  /** `report`: the models of this device as the reported state has them. */
  addModels(registry: Registry, report: () => readonly ReportedModel[]): void {
    const registers = [registry];
    new Gauge({
      name: 'modelfleet_update_state',
      help: 'Always 1; the labels say which version was tried last and which state that update is in',
      labelNames: ['model', 'version', 'state'],
      registers,
      collect() {
        this.reset();
        for (const { model, update } of report()) {
          if (update) this.set({ model, version: update.version, state: update.state }, 1);
        }
      },
    });
    new Gauge({
      name: 'modelfleet_download_bytes',
      help: 'Bytes of the version that is being downloaded: received so far, and its size',
      labelNames: ['model', 'version', 'kind'],
      registers,
      collect() {
        this.reset();
        for (const { model, update } of report()) {
          if (update?.bytesTotal === undefined) continue;
          const { version } = update;
          this.set({ model, version, kind: 'received' }, update.bytesHave ?? 0);
          this.set({ model, version, kind: 'size' }, update.bytesTotal);
        }
      },
    });
    new Gauge({
      name: 'modelfleet_quarantined_versions',
      help: 'Versions of the model that failed here and are not tried again yet',
      labelNames: ['model'],
      registers,
      collect() {
        this.reset();
        for (const { model, quarantined } of report()) this.set({ model }, quarantined.length);
      },
    });
  }
}
