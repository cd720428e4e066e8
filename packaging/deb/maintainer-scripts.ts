/** The scripts that dpkg runs, for a package with a service. POSIX sh; `npm test` has shellcheck read them where it is installed. */

const HEAD = '#!/bin/sh\nset -e\n';

/** What a package without a service needs none of. */
export function maintainerScripts(name: string): Readonly<Record<'postinst' | 'prerm' | 'postrm', string>> {
  const unit = `${name}.service`;
  return {
    postinst: `${HEAD}
case "$1" in
  configure)
    adduser --system --group --quiet --home /var/lib/${name} --no-create-home --gecos "modelfleet" ${name}
    install -d -m 0700 -o ${name} -g ${name} /var/lib/${name}
    deb-systemd-helper unmask ${unit} >/dev/null || true
    if deb-systemd-helper --quiet was-enabled ${unit}; then
      deb-systemd-helper enable ${unit} >/dev/null || true
    else
      deb-systemd-helper update-state ${unit} >/dev/null || true
    fi
    if [ -d /run/systemd/system ]; then
      systemctl --system daemon-reload >/dev/null || true
      # After an upgrade the new program replaces the one that runs; at a first installation it starts.
      if [ -n "$2" ]; then action=try-restart; else action=start; fi
      deb-systemd-invoke "$action" ${unit} >/dev/null || true
    fi
    ;;
esac
`,
    prerm: `${HEAD}
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop ${unit} >/dev/null || true
fi
`,
    postrm: `${HEAD}
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = remove ] && command -v deb-systemd-helper >/dev/null; then
  deb-systemd-helper mask ${unit} >/dev/null || true
fi
if [ "$1" = purge ]; then
  if command -v deb-systemd-helper >/dev/null; then
    deb-systemd-helper purge ${unit} >/dev/null || true
    deb-systemd-helper unmask ${unit} >/dev/null || true
  fi
  rm -rf /var/lib/${name} /var/cache/${name} /etc/default/${name}
  if command -v deluser >/dev/null; then
    deluser --quiet --system ${name} >/dev/null || true
  fi
fi
`,
  };
}
