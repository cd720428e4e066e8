/** Enrolment: what an agent sends with its join token's secret, and what makes it a device of the hub. */
import { type Static, Type } from 'typebox';
import { limits } from '../base/limits.ts';
import { DeviceId, GroupName } from '../base/names.ts';
import { parser } from '../base/parse.ts';

/** A newer agent may tell an older hub more than it knows of. */
const open = { additionalProperties: true } as const;

/** Facts of a device: what variants and queries look at. */
export const DeviceFacts = Type.Object(
  {
    agentVersion: Type.String({ maxLength: 64 }),
    os: Type.String({ maxLength: 64 }),
    arch: Type.String({ maxLength: 32 }),
    cpus: Type.Integer({ minimum: 1 }),
    memoryBytes: Type.Integer({ minimum: 0 }),
    hostname: Type.String({ maxLength: 256 }),
    providers: Type.Array(Type.String({ maxLength: 16 }), { maxItems: 16 }),
  },
  { $id: 'DeviceFacts', ...open },
);
export type DeviceFacts = Static<typeof DeviceFacts>;

/** POST /api/v1/enrol. `csr` is PKCS#10 in PEM; its common name must be `device`. */
export const EnrolmentRequest = Type.Object(
  {
    v: Type.Literal(1),
    secret: Type.String({ minLength: 16, maxLength: 128 }),
    device: DeviceId,
    csr: Type.String({ maxLength: limits.csrCharsMax }),
    facts: DeviceFacts,
  },
  { $id: 'EnrolmentRequest', ...open },
);
export type EnrolmentRequest = Static<typeof EnrolmentRequest>;

/** Where devices reach the broker. */
export const MqttAddress = Type.Object({
  host: Type.String({ minLength: 1, maxLength: 253 }),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
});

export const EnrolmentResponse = Type.Object(
  {
    v: Type.Literal(1),
    device: DeviceId,
    group: GroupName,
    /** The device's certificate and the CA's, PEM. */
    certificate: Type.String({ maxLength: 32 * 1024 }),
    ca: Type.String({ maxLength: 32 * 1024 }),
    mqtt: MqttAddress,
    /** TUF root file the agent pins, base64; its digest must be the join token's. */
    root: Type.String({ maxLength: 1024 * 1024 }),
  },
  { $id: 'EnrolmentResponse' },
);
export type EnrolmentResponse = Static<typeof EnrolmentResponse>;
export const parseEnrolmentResponse = parser(EnrolmentResponse, 'enrolment response');
