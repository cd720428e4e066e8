import { AppError } from '../../shared/base/app-error.ts';

/** The model meant when none is named. Throws `bad_input` when that is not clear. */
export function onlyModel(models: readonly string[]): string {
  if (models.length === 1) return models[0]!;
  const found = models.length === 0 ? 'this device has no model' : `this device has ${models.join(', ')}`;
  throw new AppError('bad_input', `Cannot choose a model: ${found}. Name the model.`);
}
