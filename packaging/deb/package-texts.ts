/** The files of a Debian package that are text: control fields, copyright, changelog, manual page, lintian overrides. */
import type { DebianPackage } from './debian-packages.ts';

const MAINTAINER = 'modelfleet maintainers <maintainers@modelfleet.invalid>';
/** The newest symbols that the carried binaries ask for: better-sqlite3 is built with GCC 11 on glibc 2.34. */
const LIBRARIES = 'libc6 (>= 2.34), libgcc-s1 (>= 4.2), libstdc++6 (>= 11)';

export interface Build {
  readonly version: string;
  /** As Debian names it: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly date: Date;
}

export function controlText(pack: DebianPackage, build: Build, installedKib: number): string {
  const service = pack.service ? ', adduser, init-system-helpers (>= 1.54~)' : '';
  return [
    `Package: ${pack.name}`,
    `Version: ${build.version}`,
    `Architecture: ${build.architecture}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${installedKib}`,
    `Depends: ${LIBRARIES}${service}`,
    'Section: misc',
    'Priority: optional',
    `Description: ${pack.summary}`,
    ...pack.description.map((line) => ` ${line}`),
    '',
  ].join('\n');
}

export function changelogText(pack: DebianPackage, { version, date }: Build): string {
  const day = date.toUTCString().replace('GMT', '+0000');
  return `${pack.name} (${version}) unstable; urgency=medium\n\n  * Release ${version}.\n\n -- ${MAINTAINER}  ${day}\n`;
}

export function copyrightText(): string {
  return [
    'modelfleet is licensed under the Apache License, Version 2.0.',
    'On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.',
    '',
    'Copyright 2026 the modelfleet contributors',
    '',
    'The package contains the Node.js runtime and parts of other packages; their licences',
    'are in LICENSE.node and THIRD-PARTY-LICENSES.txt in this folder.',
    '',
  ].join('\n');
}

/** The help of the program and of each of its commands, as a manual page. */
export function manualText(pack: DebianPackage, build: Build, helps: readonly string[]): string {
  const day = build.date.toISOString().slice(0, 10);
  return [
    `.TH ${pack.name.toUpperCase()} ${pack.manual} ${day} "modelfleet ${build.version}"`,
    '.SH NAME',
    `${pack.name} \\- ${pack.summary}`,
    '.SH DESCRIPTION',
    '.nf',
    ...helps.flatMap((help) => [escapeRoff(help.trimEnd()), '']),
    '.fi',
    '.SH SEE ALSO',
    `/usr/share/doc/${pack.name}/docs`,
    '',
  ].join('\n');
}

const escapeRoff = (text: string) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');

/** Why lintian is asked to be silent. */
export function lintianOverrides(pack: DebianPackage): string {
  const tags: readonly (readonly [string, string])[] = [
    [
      'Node and the native modules are the files their makers publish, byte for byte.',
      'unstripped-binary-or-object',
    ],
    ['The makers of Node build it so.', 'hardening-no-pie'],
    ['Node is built with its own copies of these libraries.', 'embedded-library'],
  ];
  return tags.map(([why, tag]) => `# ${why}\n${pack.name}: ${tag}\n`).join('');
}
