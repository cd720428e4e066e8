/** Lists come in pages; without `next` there are no more rows. */
import { Type } from 'typebox';

export const next = Type.Optional(
  Type.String({ description: '`after` of the following page; absent on the last one' }),
);
