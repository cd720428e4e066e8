/** `npm run docs:errors`: writes docs/ERRORS.md from the catalogue. */
import { writeFile } from 'node:fs/promises';
import { errorCatalogue } from '../shared/errors/catalogue.ts';
import { renderErrorsPage } from './errors-page.ts';

await writeFile(new URL('ERRORS.md', import.meta.url), renderErrorsPage(errorCatalogue));
