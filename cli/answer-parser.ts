/** What the hub answers, checked before it is shown or acted on. */
import type { TSchema } from 'typebox';
import { clientSchema } from '../shared/api/client-schema.ts';
import { parser } from '../shared/base/parse.ts';

/**
 * Like `parser()`, for answers: what does not fit is no mistake of the person who asked, and a newer hub may answer more than
 * `schema` names. Throws `hub_answer_unreadable`.
 */
export function answerParser<T extends TSchema>(schema: T) {
  return parser(clientSchema(schema), 'the answer of the hub', 'hub_answer_unreadable');
}
