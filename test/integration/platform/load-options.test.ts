import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hubOptionTable } from '../../../hub/config/options-schema.ts';
import { loadOptions } from '../../../platform/load-options.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const load = (flags: Record<string, unknown>, env: Record<string, string> = {}) =>
  loadOptions(hubOptionTable, { envPrefix: 'MODELFLEET_HUB', env, flags });

async function configFile(text: string): Promise<string> {
  const file = join(await tempFolder(), 'hub.yaml');
  await writeFile(file, text);
  return file;
}

describe('loadOptions()', () => {
  it('takes defaults, then file, then environment, then flags', async () => {
    const config = await configFile(
      'httpPort: 1\nmqttPort: 2\ndata: /file\nadvertise: [a.example, 10.0.0.1]\n',
    );
    const env = { MODELFLEET_HUB_MQTT_PORT: '3', MODELFLEET_HUB_DATA: '/env', MODELFLEET_HUB_LOG_LEVEL: '' };
    expect(await load({ config, data: '/flag' }, env)).toMatchObject({
      httpHost: '127.0.0.1',
      httpPort: 1,
      mqttPort: 3,
      data: '/flag',
      advertise: ['a.example', '10.0.0.1'],
      logLevel: 'info',
    });
  });

  it('reads JSON, and a file named by the environment', async () => {
    const config = await configFile('{"httpPort": 5}');
    expect(await load({}, { MODELFLEET_HUB_CONFIG: config })).toMatchObject({ httpPort: 5 });
  });

  it.each([
    ['a key it does not know', 'htpPort: 1\n', '"htpPort" of'],
    ['a value out of range', 'httpPort: 70000\n', '"httpPort" of'],
    ['a list at the top', '- 1\n', 'key: value'],
    ['no YAML', 'a: [\n', 'Cannot read the options'],
  ])('refuses a file with %s', async (_what, text, message) => {
    const config = await configFile(text);
    await expect(load({ config })).rejects.toMatchObject({
      code: 'bad_input',
      message: expect.stringContaining(message),
    });
  });

  it('refuses a file that is not there', async () => {
    await expect(load({ config: '/nonexistent/hub.yaml' })).rejects.toMatchObject({ code: 'bad_input' });
  });
});
