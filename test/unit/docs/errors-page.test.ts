import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { renderErrorsPage } from '../../../docs/errors-page.ts';
import { errorCatalogue } from '../../../shared/errors/catalogue.ts';

describe('docs/ERRORS.md', () => {
  it('is what the catalogue says; "npm run docs:errors" writes it anew', () => {
    const page = readFileSync(new URL('../../../docs/ERRORS.md', import.meta.url), 'utf8');
    expect(page).toBe(renderErrorsPage(errorCatalogue));
  });

  it('has entries that are whole sentences with a usable status', () => {
    for (const [code, entry] of Object.entries(errorCatalogue)) {
      expect(code).toMatch(/^[a-z][a-z0-9_]{0,63}$/);
      expect(entry.status, code).toBeGreaterThanOrEqual(400);
      expect(entry.meaning, code).toMatch(/^\S.*\.$/s);
      expect(entry.fix, code).toMatch(/^\S.*\.$/s);
    }
  });
});
