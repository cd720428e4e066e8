import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { renderErrorsPage } from '../../../docs/errors-page.ts';
import { errorCatalogue } from '../../../shared/errors/catalogue.ts';
import type { ErrorEntry } from '../../../shared/errors/error-entry.ts';

const entries: readonly (readonly [string, ErrorEntry])[] = Object.entries(errorCatalogue);

describe('docs/ERRORS.md', () => {
  it('is what the catalogue says; "npm run docs:errors" writes it anew', () => {
    const page = readFileSync(new URL('../../../docs/ERRORS.md', import.meta.url), 'utf8');
    expect(page).toBe(renderErrorsPage(errorCatalogue));
  });

  it('shows an HTTP status, or where else the code appears', () => {
    const both = { retry: 'never', meaning: 'It is.', fix: 'Do.' } as const;
    expect(renderErrorsPage({ a: { status: 404, ...both } })).toContain('HTTP 404. ');
    const page = renderErrorsPage({ a: { seenIn: ['command', 'audit'], ...both } });
    expect(page).toContain(
      'Appears in the output of a command, or in the audit log of the hub (`modelfleet audit list`). ',
    );
    expect(page).not.toMatch(/HTTP \d/);
  });

  it('tells a cause that passes by itself from one that a person removes', () => {
    const entry = { status: 503, retry: 'later', meaning: 'It is.', fix: 'Do.' } as const;
    expect(renderErrorsPage({ a: entry })).toContain('Trying again may succeed later.');
    expect(renderErrorsPage({ a: { ...entry, causeStays: true } })).toContain(
      'Trying again succeeds once the cause is removed.',
    );
  });

  it.each(entries)('has whole sentences and a usable status or a place for %s', (code, entry) => {
    expect(code).toMatch(/^[a-z][a-z0-9_]{0,63}$/);
    if (entry.status === undefined) expect(entry.seenIn.length).toBeGreaterThan(0);
    else expect(entry.status).toBeGreaterThanOrEqual(400);
    expect(entry.meaning).toMatch(/^\S.*\.$/s);
    expect(entry.fix).toMatch(/^\S.*\.$/s);
    if (entry.causeStays) expect(entry.retry).toBe('later');
  });
});
