/** A row of the device table for tests that need a device and nothing of it. */
export const deviceRow = (id: string) => ({
  id,
  device_group: 'default',
  certificate_serial: '1',
  certificate_sha256: '1',
  certificate_expires_at: 0,
  facts: '{}',
  enrolled_at: 0,
  revoked_at: null,
  last_seen_at: null,
  reported: null,
  reported_at: null,
});
