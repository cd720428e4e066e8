/** What a person at the device may order of its models. */
import type { ModelUpdates } from '../update/model-updates.ts';
import type { ControlActions } from './control-server.ts';
import { onlyModel } from './only-model.ts';

export function modelOrders(updates: ModelUpdates): Pick<ControlActions, 'rollBack' | 'release'> {
  return {
    async rollBack(model) {
      const named = model ?? onlyModel(updates.models());
      updates.orderBack(named);
      return { model: named };
    },
    async release(model) {
      return { released: updates.release(model) };
    },
  };
}
