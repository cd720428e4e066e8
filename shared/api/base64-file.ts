import { Type } from 'typebox';

export function base64Chars(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** A file of at most `bytesMax` bytes in a request. */
export const Base64File = (bytesMax: number) =>
  Type.String({
    pattern: '^[A-Za-z0-9+/]+={0,2}$',
    maxLength: base64Chars(bytesMax),
    description: 'File, base64',
  });
