/** What the hub answers, checked before it is shown or acted on. */
import type { TSchema } from 'typebox';
import { parser } from '../shared/base/parse.ts';

/** Like `parser()`, for answers: what does not fit is no mistake of the person who asked. Throws `hub_answer_unreadable`. */
export function answerParser<T extends TSchema>(schema: T) {
  return parser(schema, 'the answer of the hub', 'hub_answer_unreadable');
}
