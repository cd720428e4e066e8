import { Type } from 'typebox';

/** A time, as the API gives every one. */
export const Milliseconds = Type.Integer({ description: 'Milliseconds since the epoch' });
